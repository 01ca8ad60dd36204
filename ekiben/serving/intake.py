"""Takes feedback in: looks the predictions up and keeps the labels, off the event loop."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TypeVar

from ekiben.errors import LogUnavailable, Overloaded
from ekiben.monitoring.feedback_store import FeedbackStore, Recorded
from ekiben.monitoring.records import Observed
from ekiben.schemas.feedback import FeedbackAccepted, FeedbackItem
from ekiben.serving import metrics

log = logging.getLogger(__name__)

T = TypeVar("T")

THREADS = 2
"""Calls of the database at once; SQLite lets one write anyway."""
MOST_REQUESTS = 64
"""Feedback requests that one worker holds; more are refused with 503."""
PATIENCE_SECONDS = 5.0
"""A call of the database that waited longer for its thread is not made."""
FRESH_SECONDS = 10.0
"""A prediction younger than this may not be in the log yet: it is written in batches."""
PAUSES = (0.05, 0.1, 0.2, 0.3, 0.35)
"""Seconds before a fresh one is looked for again; after all of them it is unknown."""


class Intake:
    """The feedback of one worker; `take` is for the event loop."""

    def __init__(
        self,
        store: Callable[[], FeedbackStore],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._clock = clock
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="feedback")
        self._requests = 0

    async def take(
        self,
        use_case: str,
        items: Sequence[FeedbackItem],
        received_at: datetime,
        caller: str,
    ) -> FeedbackAccepted:
        """Keep *items* of predictions that have no feedback yet.

        Raises:
            LogUnavailable: nothing was kept, or it is not known; sending the same again
                does no harm.
            Overloaded: too many wait already.
        """
        with self._place():
            known = await self._find(use_case, {_canonical(one) for one in items})
            observed = [
                Observed(
                    _canonical(one),
                    one.label,
                    one.observed_at or received_at,
                    received_at,
                    caller,
                )
                for one in items
                if _canonical(one) in known
            ]
            recorded = await self._call(partial(_record, observed))
        unknown = [o.prediction_id for o in items if _canonical(o) not in known]
        _count(use_case, recorded, len(unknown))
        return FeedbackAccepted(
            accepted=recorded.accepted, duplicates=recorded.duplicates, unknown=unknown
        )

    async def _find(self, use_case: str, ids: set[str]) -> set[str]:
        """Return those of *ids* that are in the log; fresh ones are waited for a little."""
        known = await self._call(partial(_known, use_case, ids))
        for pause in PAUSES:
            fresh = set(self._fresh(ids - known))
            if not fresh:
                break
            await asyncio.sleep(pause)
            known |= await self._call(partial(_known, use_case, fresh))
        return known

    def _fresh(self, ids: Iterable[str]) -> Iterator[str]:
        now = self._clock()
        for one in ids:
            made = made_at(one)
            if made is not None and abs(now - made) < FRESH_SECONDS:
                yield one

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._requests >= MOST_REQUESTS:
            raise Overloaded(1.0)
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    async def _call(self, ask: Callable[[FeedbackStore], T]) -> T:
        asked = time.monotonic()

        def call() -> T:
            if time.monotonic() - asked > PATIENCE_SECONDS:
                raise LogUnavailable("too many wait for it")
            return ask(self._store())

        try:
            running = asyncio.get_running_loop().run_in_executor(self._pool, call)
        except RuntimeError:  # no thread can be started
            raise Overloaded(1.0) from None
        return await running


def _known(use_case: str, ids: set[str], store: FeedbackStore) -> set[str]:
    return store.known(use_case, ids)


def _record(observed: Sequence[Observed], store: FeedbackStore) -> Recorded:
    return store.record(observed)


def made_at(prediction_id: str) -> float | None:
    """Return when an id was made, in seconds since 1970; None: it is no UUID version 7."""
    digits = prediction_id.replace("-", "")
    return int(digits[:12], 16) / 1000 if digits[12] == "7" else None


def _canonical(item: FeedbackItem) -> str:
    return item.prediction_id.lower()


def _count(use_case: str, recorded: Recorded, unknown: int) -> None:
    same = recorded.duplicates - recorded.differing
    counted = {
        "accepted": recorded.accepted,
        "duplicate": same,
        "differing": recorded.differing,
        "unknown": unknown,
    }
    for result, count in counted.items():
        metrics.feedback.labels(use_case, result).inc(count)
    if recorded.differing:
        log.warning(
            "feedback differs from what is kept",
            extra={"use_case": use_case, "items": recorded.differing},
        )
