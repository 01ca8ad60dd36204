"""How many rows one worker lets in, and how they are shared between its callers."""

from collections.abc import Callable

GREED = 4
"""A caller may hold so many times the rows that are still free. Alone it fills four fifths
of the limit, and whoever comes next finds room at once; many converge to equal parts."""


class Admission:
    """The rows in flight of one worker: waiting or being computed, over all its use cases.

    Not thread-safe: lives on the event loop.
    """

    def __init__(self, limit: int) -> None:
        self.rows = 0
        self.drains: list[Callable[[], float]] = []
        """What each use case expects to need for its rows in flight, in seconds."""
        self.calm_rows = limit * GREED // (GREED + 1)
        """Up to so many rows in flight every caller has room."""
        self._limit = limit
        self._held: dict[str, int] = {}

    def has_room(self, caller: str, rows: int) -> bool:
        """Whether *rows* more of *caller* may come in."""
        free = self._limit - self.rows
        return rows <= free and self._held.get(caller, 0) + rows <= GREED * free

    def enter(self, caller: str, rows: int) -> None:
        """Take *rows* of *caller* in."""
        self.rows += rows
        self._held[caller] = self._held.get(caller, 0) + rows

    def leave(self, caller: str, rows: int) -> None:
        """Let *rows* of *caller* go: answered, failed or dropped."""
        self.rows -= rows
        left = self._held[caller] - rows
        if left:
            self._held[caller] = left
        else:
            self._held.pop(caller, None)

    def drain(self) -> float:
        """Return the seconds until what is in flight now should be answered."""
        return max((drain() for drain in self.drains), default=0.0)
