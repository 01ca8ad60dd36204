"""The thread that takes entries from the queue and writes them to the log, batch by batch."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ekiben.errors import LogUnavailable
from ekiben.monitoring.entries import Encoder, Line, Values, Waiter
from ekiben.monitoring.log_counts import LogCounts, lost_rows
from ekiben.monitoring.log_queue import LogQueue
from ekiben.monitoring.sink import Sink
from ekiben.schemas.base import Row

log = logging.getLogger(__name__)

TICK_SECONDS = 0.02
"""How often rows are made ready: a little at a time, for that holds the interpreter's lock."""
TICK_ROWS = 50
"""Rows that are made ready without a pause; of records that are ready, so many."""
PAUSE_SECONDS = 0.0005
BATCH_ROWS = 2000
"""Rows that one transaction takes, and about how many are held ready while it fails."""
BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0)
"""How long to wait after so many failures."""


class Told(Protocol):
    """Who keeps the numbers; called on any thread."""

    def written(self, use_case: str, rows: int) -> None:
        """Count rows that are in the log."""

    def dropped(self, use_case: str, reason: str, rows: int) -> None:
        """Count answered rows that never will be: full, unwritable, lost."""

    def waiting(self, rows: int) -> None:
        """Say how many rows are not in the log yet."""

    def flushed(self, seconds: float) -> None:
        """Say what one transaction took."""

    def available(self, is_available: bool) -> None:
        """Say whether the log can be written."""


@dataclass
class Batch:
    """What the next transaction holds, who waits for it, and rows by use case."""

    lines: list[Line] = field(default_factory=list)
    waiters: list[Waiter] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    total: int = 0
    since: float = 0.0

    @property
    def is_full(self) -> bool:
        """Whether it holds as many rows as a transaction takes."""
        return self.total >= BATCH_ROWS


@dataclass(frozen=True)
class Pace:
    """How long a row may wait before it is written; *closed*: somebody waits for it."""

    window: float
    closed: bool


class LogWriter:
    """Runs in a thread of its own until `stop`; then writes what is left, if it can in time."""

    def __init__(
        self,
        queue: LogQueue,
        counts: LogCounts,
        sink: Sink,
        encoder: Encoder,
        told: Told,
        pace: Pace,
        search: Callable[[], Path | None] = lambda: None,
        url: str = "",
    ) -> None:
        self._queue, self._counts, self._sink = queue, counts, sink
        self._encoder, self._told, self._pace = encoder, told, pace
        self._search, self._url = search, url
        self._batch = Batch()
        self._failures = 0
        self._searched = False
        self._stopping = threading.Event()
        self._until = float("inf")
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Write what is left, for so many *seconds* at most; then nothing more is written.

        Returns whether this is the first call; a second one does nothing.
        """
        if self._stopping.is_set():
            return False
        self._until = time.monotonic() + seconds
        self._stopping.set()
        self._queue.wake()
        if self._thread.is_alive():
            self._thread.join(seconds + 1)
        return True

    def _run(self) -> None:
        self._tried(self._first_look)
        while self._goes_on():
            self._tried(self._turn)
        self._told.waiting(self._queue.rows)
        self._sink.close()

    def _tried(self, step: Callable[[], None]) -> None:
        """Take a *step*; a fault of ours shall end neither the thread nor, in silence, the log."""
        try:
            step()
        except Exception:
            log.exception("prediction log faulty")
            self._give_up(self._batch, "unwritable")
            self._stopping.wait(BACKOFF_SECONDS[-1])

    def _goes_on(self) -> bool:
        if not self._stopping.is_set():
            return True
        return self._queue.rows > 0 and time.monotonic() < self._until

    def _turn(self) -> None:
        """Gather for a while, or write what is due."""
        if not self._batch.lines:
            self._told.waiting(self._queue.rows)
            self._queue.wait()
            self._batch.since = time.monotonic()
        self._gather()
        due = time.monotonic() - self._batch.since >= self._pace.window
        if due or self._batch.is_full or self._stopping.is_set():
            self._write()
        else:
            self._stopping.wait(TICK_SECONDS)

    def _gather(self) -> None:
        ready = 0
        while not self._batch.is_full and (entry := self._queue.take()):
            ready += self._add(*entry)
            if ready >= TICK_ROWS:
                ready = 0
                time.sleep(PAUSE_SECONDS)

    def _add(
        self, values: Values, left: Sequence[Row] | None, waiter: Waiter | None
    ) -> int:
        """Make an entry ready, and return how many rows that took, 1 where it was so."""
        line, waiters = Line._make(values), [waiter] if waiter else []
        if waiter is not None and waiter.done():
            # Its client was told no, or has left.
            self._queue.settle(line.use_case, line.rows)
            return 1
        try:
            line = self._encoder.finished(line, left)
        except (TypeError, ValueError, KeyError) as error:
            log.error("prediction unwritable", extra={"reason": type(error).__name__})
            rows = {line.use_case: line.rows}
            self._give_up(Batch([], waiters, rows, line.rows), "unwritable")
            return line.rows
        batch = self._batch
        batch.lines.append(line)
        batch.waiters += waiters
        batch.rows[line.use_case] = batch.rows.get(line.use_case, 0) + line.rows
        batch.total += line.rows
        return 1 if left is None else line.rows

    def _write(self) -> None:
        batch = self._batch
        if not batch.lines:
            self._batch = Batch()
            return
        self._counts.about_to_write(batch.lines[0].key, batch.rows)
        began = time.monotonic()
        try:
            self._sink.write(batch.lines)
        except LogUnavailable as error:
            self._failed(error)
            return
        self._told.flushed(time.monotonic() - began)
        self._batch = Batch()
        for use_case, rows in batch.rows.items():
            self._queue.settle(use_case, rows)
            self._told.written(use_case, rows)
        self._answer(batch, None)
        self._worked()

    def _failed(self, error: LogUnavailable) -> None:
        if not self._failures:
            log.error("prediction log unavailable", extra={"reason": error.reason})
            self._told.available(False)
        self._failures += 1
        if self._pace.closed:
            batch, self._batch = self._batch, Batch()
            for use_case, rows in batch.rows.items():
                self._queue.settle(use_case, rows)
            self._answer(batch, error)
            return
        self._told.waiting(self._queue.rows)
        step = min(self._failures, len(BACKOFF_SECONDS)) - 1
        wait = BACKOFF_SECONDS[step]
        if self._stopping.is_set():
            time.sleep(BACKOFF_SECONDS[0])
        else:
            self._stopping.wait(wait)

    def _worked(self) -> None:
        if self._failures:
            log.warning(
                "prediction log written again", extra={"failures": self._failures}
            )
            self._told.available(True)
        self._failures = 0
        if not self._searched:
            self._look_for_lost()

    def _first_look(self) -> None:
        """Open the log, and count what died with others, if that can be done now."""
        with suppress(LogUnavailable):
            self._sink.open()
            self._look_for_lost()

    def _look_for_lost(self) -> None:
        directory = self._search()
        if directory is not None:
            for lost in lost_rows(directory, self._url, self._sink.contains):
                for use_case, rows in lost.items():
                    self._told.dropped(use_case, "lost", rows)
                if lost:
                    log.error("predictions lost with a worker", extra={"rows": lost})
        self._searched = True

    def _give_up(self, batch: Batch, reason: str) -> None:
        if batch is self._batch:
            self._batch = Batch()
        for use_case, rows in batch.rows.items():
            self._queue.settle(use_case, rows)
            if not self._pace.closed:
                self._told.dropped(use_case, reason, rows)
        self._answer(batch, LogUnavailable(reason))

    def _answer(self, batch: Batch, error: LogUnavailable | None) -> None:
        """Tell those who wait for these rows, each on its own event loop."""
        waiters = batch.waiters
        if not waiters:
            return

        def tell() -> None:
            for waiter in waiters:
                if waiter.done():
                    continue
                if error is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(LogUnavailable(error.reason))

        with suppress(RuntimeError):  # the event loop has ended
            waiters[0].get_loop().call_soon_threadsafe(tell)
