"""The prediction log of one worker: what the requests hand in, and by which policy it is kept."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ekiben.access.pepper import pepper_of
from ekiben.errors import LogUnavailable
from ekiben.monitoring.entries import Encoder
from ekiben.monitoring.gathering import MOST_ROWS, Gathered, Kind
from ekiben.monitoring.log_counts import LogCounts
from ekiben.monitoring.log_queue import LogQueue
from ekiben.monitoring.log_writer import LogWriter, Pace, Told
from ekiben.monitoring.sink import Sink
from ekiben.schemas.base import Row
from ekiben.settings import Settings

log = logging.getLogger(__name__)

OPEN_WAIT_SECONDS = 5.0
"""How long the writer waits for another writer or for PostgreSQL, when nobody waits for it."""
CLOSED_WAIT_SECONDS = 1.0
"""The same when answers wait; by then they are refused."""
ANSWER_SECONDS = 3.0
"""After which an answer is refused whatever holds the writer."""


def check(settings: Settings) -> None:
    """Make sure that what *settings* ask of the log can be had.

    Raises:
        PepperMissing, PepperUnsafe: personal fields are to be hashed without a secret.
    """
    _secret(settings)


@dataclass(frozen=True)
class PredictionLog:
    """Takes what was answered; `add` is for the event loop and never blocks it."""

    closed: bool
    _share: float
    _encoder: Encoder
    _queue: LogQueue
    _counts: LogCounts
    _writer: LogWriter
    _told: Told
    _draw: Callable[[], float] = random.random
    _clock: Callable[[], float] = time.time
    _gathering: dict[Kind, Gathered] = field(default_factory=dict, init=False)

    @classmethod
    def start(
        cls,
        settings: Settings,
        rows: Mapping[str, type[Row]],
        told: Told,
        directory: Path,
    ) -> "PredictionLog | None":
        """Begin to log use cases with these *rows*; None when that is switched off.

        *directory* is where workers leave their counts for the next one.

        Raises:
            PepperMissing, PepperUnsafe: personal fields are to be hashed without a secret.
        """
        if settings.log == "off":
            return None
        closed = settings.log == "fail-closed"
        # Answers that wait for the log are lost to nobody when a worker dies.
        counts = _counts(None if closed else directory, settings.log_url, list(rows))
        queue = LogQueue(settings.log_queue_rows, counts)
        wait = CLOSED_WAIT_SECONDS if closed else OPEN_WAIT_SECONDS
        encoder = Encoder.of(rows, settings.log_personal, _secret(settings))
        writer = LogWriter(
            queue,
            counts,
            Sink(settings.log_url, durable=closed, wait=wait),
            encoder,
            told,
            Pace(0.0 if closed else settings.log_flush_ms / 1000, closed),
            lambda: directory,
            settings.log_url,
        )
        writer.start()
        return cls(closed, settings.log_share, encoder, queue, counts, writer, told)

    def gathered(
        self,
        use_case: str,
        tag: str,
        caller: str,
        batch_rows: int,
        rows: Sequence[Row],
    ) -> Gathered | None:
        """Return what *rows* may `join` that are answered in this turn of the event loop,
        their ids counted on from those that it has; None: they are to be `add`ed."""
        # Columns are written down otherwise, and who waits, or is drawn, is so alone.
        if self.closed or self._share < 1 or type(rows) is not list:
            return None
        kind = (use_case, tag, caller, batch_rows)
        found = self._gathering.get(kind)
        if found is not None and found.rows + len(rows) <= MOST_ROWS:
            return found
        if found is not None:
            self._put(found)
        if not self._gathering:
            asyncio.get_running_loop().call_soon(self._put_all)
        made = self._gathering[kind] = Gathered(kind, self._clock())
        return made

    def join(
        self,
        gathered: Gathered,
        rows: Sequence[Row],
        answered: bytes,
        *,
        seconds: float,
        request_id: str,
    ) -> None:
        """Log *rows* as the next of *gathered*; the rest is as `add` has it."""
        use_case = gathered.kind[0]
        if self._queue.accept(use_case, len(rows)):
            gathered.add(rows, answered, seconds, request_id)
        else:
            # The numbers that these rows have as their ids are nobody else's.
            self._put(gathered)
            self._told.dropped(use_case, "full", len(rows))

    def _put(self, gathered: Gathered) -> None:
        self._gathering.pop(gathered.kind, None)
        if gathered.rows:
            self._queue.put(gathered.entry(self._encoder))

    def _put_all(self) -> None:
        for gathered in list(self._gathering.values()):
            self._put(gathered)

    def add(
        self,
        use_case: str,
        tag: str,
        ids: str,
        rows: Sequence[Row],
        answered: bytes,
        *,
        batch_rows: int,
        seconds: float,
        request_id: str,
        caller: str,
    ) -> "asyncio.Future[None] | None":
        """Log *rows*, which nobody changes from now on, with what is *answered* to them.

        *ids* is what the ids of the predictions begin with, and *answered* the list of
        them in JSON, or an object of their columns without ids and tag.
        Returns what is to be waited for before they may be sent; None: nothing.

        Raises:
            LogUnavailable: as much waits as may, and what is not logged is not answered.
        """
        if self._share < 1 and self._draw() >= self._share:
            return None
        waiter = asyncio.get_running_loop().create_future() if self.closed else None
        entry = self._encoder.entry(
            use_case, tag, self._clock(), ids, rows, answered,
            batch_rows, seconds, request_id, caller, waiter,
        )  # fmt: skip
        if self._queue.accept(use_case, len(rows)):
            self._queue.put(entry)
        elif self.closed:
            raise LogUnavailable("too many rows wait for it")
        else:
            self._told.dropped(use_case, "full", len(rows))
        return waiter

    def stop(self, seconds: float) -> None:
        """Write out what waits, for so many *seconds* at most.

        What is left then is counted by the next worker. A second call does nothing.
        """
        self._put_all()
        if not self._writer.stop(seconds):
            return
        if self._queue.rows:
            log.error("predictions not logged", extra={"rows": self._queue.rows})
        self._counts.close()


async def logged(waiter: "asyncio.Future[None]", seconds: float) -> None:
    """Wait until rows are in the log, for so many *seconds* at most.

    Raises:
        LogUnavailable: they are not.
    """
    try:
        async with asyncio.timeout(min(seconds, ANSWER_SECONDS)):
            await waiter
    except TimeoutError:
        raise LogUnavailable("it takes too long") from None


def _secret(settings: Settings) -> bytes:
    hashes = settings.log != "off" and settings.log_personal == "hash"
    return pepper_of(settings).secret if hashes else b""


def _counts(directory: Path | None, url: str, use_cases: Sequence[str]) -> LogCounts:
    if directory is not None:
        try:
            return LogCounts.in_file(directory, url, use_cases)
        except OSError as error:
            log.warning("log counts in memory only", extra={"reason": error.strerror})
    return LogCounts.in_memory(use_cases)
