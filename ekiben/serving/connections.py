"""Which connections a worker keeps open: how many, and for how long each may take."""

import asyncio
import resource
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from ekiben.serving import metrics
from ekiben.settings import Settings

OTHER_FILES = 128
"""Open files that are no connections: metrics, models, the ledger, a probe's pipes."""
MOST = 10_000
"""Connections where the system sets no lower limit to open files."""
CHECKS = 20
"""How often the shortest limit is checked for while it lasts."""


@dataclass(frozen=True)
class Limits:
    """What one connection may take, and how many there may be; times are seconds."""

    header_seconds: float
    body_seconds: float
    write_seconds: float
    idle_seconds: int
    header_bytes: int
    header_count: int
    body_bytes: int
    connections: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Return what *settings* say, or what the process may open where they are silent."""
        return cls(
            header_seconds=settings.header_seconds,
            body_seconds=settings.body_seconds,
            write_seconds=settings.write_seconds,
            idle_seconds=settings.idle_seconds,
            header_bytes=settings.header_bytes,
            header_count=settings.header_count,
            body_bytes=settings.body_bytes,
            connections=settings.connections or openable(),
        )

    @property
    def interval(self) -> float:
        """Seconds between two looks at the connections."""
        shortest = min(self.header_seconds, self.body_seconds, self.write_seconds)
        return min(0.25, shortest / CHECKS)


def openable() -> int:
    """Return how many connections this process can hold beside its other files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST
    return max(1, min(MOST, files - OTHER_FILES))


class Connection(Protocol):
    """What a connection has to be able to do to be watched."""

    def check(self, now: float, before: float) -> None:
        """End the connection if at *now* it will have taken too long.

        *before* is when it was last looked at, or would have been.
        """

    def idle_since(self) -> float | None:
        """Return since when it waits for a request, or None while there is one."""

    def is_ending(self) -> bool:
        """Return whether it ends in the next turn: closed, and all its bytes are taken."""

    def evict(self) -> None:
        """End the connection at once, to make room."""

    def refuse(self, code: str) -> None:
        """Answer with the refusal *code* and close."""


class Watch:
    """All connections of a process: one timer looks at them, and a new one has its place.

    One timer for all costs a request nothing; a timer each would be made and cancelled
    with every request.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        # Those that have never sent a whole header, the oldest first.
        self.half_open: dict[Connection, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def opened(
        self,
        connection: Connection,
        all_open: Collection[Connection],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Take *connection* in; where there are too many, another one has to go."""
        self.half_open[connection] = None
        if self._timer is None:
            self._look_later(all_open, loop)
        if len(all_open) > self.limits.connections:
            self._make_room(connection, all_open)

    def closed(self, connection: Connection) -> None:
        """Forget *connection*."""
        self.half_open.pop(connection, None)

    def _make_room(self, newest: Connection, all_open: Collection[Connection]) -> None:
        """End the oldest that never sent a header, one that is ending anyway, the one idle
        longest, or *newest*.

        Under an attack with half-open connections a client that sends its request at
        once is never the oldest.
        """
        victim = next(iter(self.half_open))
        if victim is newest:
            # When the time of many was over in one turn, all of them are still there.
            for ending in all_open:
                if ending.is_ending():
                    ending.evict()
                    return
            waiting = ((one, one.idle_since()) for one in all_open)
            idle = {one: since for one, since in waiting if since is not None}
            if not idle:
                newest.refuse("overloaded")
                return
            victim = min(idle, key=idle.__getitem__)
        self.half_open.pop(victim, None)
        metrics.closed_connections.labels("too_many").inc()
        victim.evict()

    def _look(
        self, all_open: Collection[Connection], loop: asyncio.AbstractEventLoop
    ) -> None:
        # A look early, not late: nobody gets more time than the limits say.
        now = loop.time()
        next_look, before = now + self.limits.interval, now - self.limits.interval
        for connection in list(all_open):
            connection.check(next_look, before)
        metrics.connections.set(len(all_open))
        self._timer = None
        if all_open:
            self._look_later(all_open, loop)

    def _look_later(
        self, all_open: Collection[Connection], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._timer = loop.call_later(self.limits.interval, self._look, all_open, loop)
