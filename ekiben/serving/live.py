"""Live quality as a server shows it: measured in a thread, kept for a while, in gauges too."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

from ekiben.errors import EkibenError
from ekiben.monitoring.feedback_store import FeedbackStore
from ekiben.monitoring.performance import Matured, figures_of, measure, read_matured
from ekiben.monitoring.refresh import Job
from ekiben.schemas.live import LiveMeasured, LivePerformance, LiveQuality
from ekiben.schemas.model_card import Evaluation
from ekiben.schemas.models_api import Measured
from ekiben.serving import metrics
from ekiben.settings import Settings
from ekiben.use_cases.use_case import UseCase

log = logging.getLogger(__name__)

WAIT_SECONDS = 4.0
"""How long an answer waits for figures; after that it says `measuring`."""
MOST_VERSIONS = 5
"""Versions of a use case that have gauges: the newest in traffic."""
Groups = Callable[[Evaluation], Mapping[str, Measured]]


class Live:
    """The live quality of every use case, for one worker.

    `performance` is for the event loop, `publish` for the thread that refreshes.
    """

    def __init__(
        self,
        settings: Settings,
        use_cases: Sequence[UseCase],
        store: Callable[[], FeedbackStore],
    ) -> None:
        self._settings = settings
        self._use_cases = {one.name: one for one in use_cases}
        self._store = store
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="live")
        self._known: dict[str, tuple[float, LiveQuality]] = {}
        self._running: dict[str, asyncio.Future[LiveQuality]] = {}
        self._shown: set[tuple[str, str, str]] = set()

    @property
    def job(self) -> Job:
        """What keeps the gauges fresh."""
        return Job("live quality", self.publish, self._settings.refresh_seconds)

    async def quality(self, use_case: str) -> LiveQuality | None:
        """Return how *use_case* does, at most so old as the settings say.

        None: that is still being measured. Whoever asks meanwhile waits for the same.

        Raises:
            LogUnavailable: the log cannot be read.
        """
        known = self._known.get(use_case)
        if known and time.monotonic() - known[0] < self._settings.refresh_seconds:
            return known[1]
        running = self._running.get(use_case)
        if running is None:
            running = self._begin(use_case)
        done, _ = await asyncio.wait([running], timeout=WAIT_SECONDS)
        if done:
            return running.result()
        return known[1] if known else None

    def publish(self) -> None:
        """Set the gauges of every use case.

        Raises:
            LogUnavailable: the log cannot be read; the gauges stay.
        """
        for name, use_case in self._use_cases.items():
            matured = self._read(name, datetime.now(UTC), rows=False)
            self._publish(use_case, matured)

    def _begin(self, use_case: str) -> "asyncio.Future[LiveQuality]":
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._pool, partial(self._measure, use_case))
        self._running[use_case] = running

        def end(done: "asyncio.Future[LiveQuality]") -> None:
            del self._running[use_case]
            if done.cancelled():
                return
            if (error := done.exception()) is not None:
                # Here, once: those who asked may have stopped waiting.
                told = {"use_case": use_case, "reason": _reason(error)}
                log.warning("live quality not measured", extra=told)
                return
            self._known[use_case] = time.monotonic(), done.result()

        running.add_done_callback(end)
        return running

    def _measure(self, use_case: str) -> LiveQuality:
        now = datetime.now(UTC)
        return measure(self._use_cases[use_case], self._read(use_case, now), now)

    def _read(self, use_case: str, now: datetime, *, rows: bool = True) -> Matured:
        settings = self._settings
        return read_matured(
            self._store(),
            use_case,
            since=now - timedelta(days=settings.live_days),
            now=now,
            maturity=settings.maturity,
            rows=rows,
        )

    def _publish(self, use_case: UseCase, matured: Matured) -> None:
        shown = {}
        for one in matured.versions[:MOST_VERSIONS]:
            for metric, value in figures_of(use_case, one.labelled).items():
                shown[use_case.name, one.counted.tag, metric] = value
        gone = {key for key in self._shown if key[0] == use_case.name} - shown.keys()
        for key in gone:
            # A label value cannot be taken back from what the processes share.
            metrics.live_quality.labels(*key).set(math.nan)
        for key, value in shown.items():
            metrics.live_quality.labels(*key).set(value)
        self._shown = (self._shown - gone) | shown.keys()
        metrics.feedback_coverage.labels(use_case.name).set(_coverage(matured))


def _coverage(matured: Matured) -> float:
    counts = [one.counted for one in matured.versions]
    predictions = sum(one.predictions for one in counts)
    known = sum(one.with_feedback for one in counts)
    return known / predictions if predictions else math.nan


async def performance_of(
    live: Live, use_case: str, wanted: str, groups_of: Groups
) -> LivePerformance:
    """Return what live traffic says of the rows that *wanted* names; never fails."""
    try:
        quality = await live.quality(use_case)
    except Exception:
        # It is in the log already; the offline figures are answered all the same.
        return LivePerformance(state="unavailable")
    if quality is None:
        return LivePerformance(state="measuring")
    return LivePerformance(
        state="measured",
        computed_at=quality.computed_at,
        cohort=quality.cohort,
        versions=[
            LiveMeasured(
                model=one.model,
                predictions=one.predictions,
                with_feedback=one.with_feedback,
                coverage=one.coverage,
                rows=group.rows,
                metrics=group.metrics,
            )
            for one in quality.versions
            for group in [_group(one.evaluation, wanted, groups_of)]
        ],
    )


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, EkibenError) else repr(error)


def _group(evaluation: Evaluation | None, wanted: str, groups_of: Groups) -> Measured:
    nothing = Measured(rows=None, metrics={})
    return groups_of(evaluation).get(wanted, nothing) if evaluation else nothing
