"""The bounded queue between the requests and the log's writer."""

import threading
from collections import deque

from ekiben.monitoring.entries import Entry
from ekiben.monitoring.log_counts import LogCounts


class LogQueue:
    """Entries of one worker. `accept` and `put` are for the event loop, all else for the writer's thread.

    The rows of entries that were taken count until they are settled: in the log, or
    given up. Each of the two counts has one writer, so none needs a lock.
    """

    def __init__(self, limit: int, counts: LogCounts) -> None:
        self._limit = limit
        self._counts = counts
        self._entries: deque[Entry] = deque()
        self._wake = threading.Event()
        self._asleep = False
        self._woken = False
        self._accepted = 0
        self._settled = 0

    @property
    def rows(self) -> int:
        """Rows that are not in the log yet."""
        return self._accepted - self._settled

    def accept(self, use_case: str, rows: int) -> bool:
        """Take so many *rows* on, which `put` brings; False: as much waits as may."""
        accepted = self._accepted + rows
        if accepted - self._settled > self._limit:
            return False
        self._accepted = accepted
        self._counts.accept(use_case, rows)
        return True

    def put(self, entry: Entry) -> None:
        """Take an entry in whose rows were accepted."""
        self._entries.append(entry)
        if self._asleep:
            self._asleep = False
            self._wake.set()

    def take(self) -> Entry | None:
        """Return the oldest entry, None when there is none."""
        try:
            return self._entries.popleft()
        except IndexError:
            return None

    def settle(self, use_case: str, rows: int) -> None:
        """Let *rows* go: they are in the log, or given up."""
        self._settled += rows
        self._counts.settle(use_case, rows)

    def wait(self) -> None:
        """Sleep until there is an entry, or `wake` was called."""
        self._wake.clear()
        self._asleep = True
        if not self._entries and not self._woken:
            self._wake.wait()
        self._asleep = False

    def wake(self) -> None:
        """End every `wait` from now on."""
        self._woken = True
        self._wake.set()
