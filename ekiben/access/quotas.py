"""Rows per day: what this process has counted, and what all processes had at the last look."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from ekiben.errors import QuotaExceeded

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Spent:
    """Rows of one caller on one day (days since 1970, UTC), and when it last asked."""

    caller: str
    day: int
    rows: int
    last_used: float


class Quotas:
    """Counts rows per caller and day; one thread counts while another reports.

    What is known of a day is the total at the last report, plus what this process has
    counted since. Other processes' rows come in with the next report.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._day = -1
        self._totals: Mapping[str, int] = {}
        # By caller and day: rows, and the last use. Lists, since a request waits for it.
        self._pending: dict[tuple[str, int], list[float]] = {}
        self._reported: dict[tuple[str, int], list[float]] = {}
        self.pressing = False
        """Whether rows of a caller with a quota wait to be reported."""
        self.limited = False
        """Whether a caller with a quota was ever here: others' rows matter then."""

    def charge(self, caller: str, rows: int, quota: int | None, now: float) -> None:
        """Count *rows* of *caller*; *now* is in seconds since 1970.

        Raises:
            QuotaExceeded: they would be more than *quota*; none of them is counted.
        """
        key = (caller, int(now // DAY_SECONDS))
        with self._lock:
            if quota is not None:
                self.limited = True
                self._check(key, rows, quota, now)
                self.pressing = True
            counted = self._pending.get(key)
            if counted is None:
                self._pending[key] = [rows, now]
            else:
                counted[0] += rows
                counted[1] = now

    def _check(self, key: tuple[str, int], rows: int, quota: int, now: float) -> None:
        caller, day = key
        used: float = self._totals.get(caller, 0) if day == self._day else 0
        for waiting in (self._pending.get(key), self._reported.get(key)):
            used += waiting[0] if waiting else 0
        if used + rows > quota:
            raise QuotaExceeded((day + 1) * DAY_SECONDS - now)

    def report(self) -> list[Spent]:
        """Return what was counted since the last report; `settle` or `restore` comes next."""
        with self._lock:
            self._reported, self._pending = self._pending, {}
            self.pressing = False
        return [
            Spent(caller, day, int(rows), last)
            for (caller, day), (rows, last) in self._reported.items()
        ]

    def settle(self, day: int, totals: Mapping[str, int]) -> None:
        """Take over all processes' *totals* of *day*, the last report's rows among them."""
        with self._lock:
            self._day, self._totals, self._reported = day, totals, {}

    def restore(self) -> None:
        """Count the last report as not made: it could not be kept."""
        with self._lock:
            for key, (rows, last) in self._reported.items():
                later = self._pending.setdefault(key, [0, last])
                later[0] += rows
            self.pressing = self.pressing or bool(self._reported)
            self._reported = {}
