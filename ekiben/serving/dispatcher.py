"""Adaptive batching without waiting: dispatch at once when idle, batch what queued up while busy."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Protocol

from ekiben.errors import (
    BatchShapeMismatch,
    ClientGone,
    DeadlineExceeded,
    Overloaded,
)
from ekiben.schemas.base import Row
from ekiben.serving import metrics
from ekiben.serving.cost import Cost

log = logging.getLogger(__name__)

INLINE_SECONDS = 0.002
"""A model call that is expected to take longer leaves the event loop."""

Fields = dict[str, Any]


class Model(Protocol):
    """What answers a batch: the predictor of one version."""

    @property
    def tag(self) -> str:
        """The exact tag, name:version."""

    @property
    def cost(self) -> Cost:
        """What its calls take."""

    def predict(self, rows: Sequence[Row]) -> list[Fields]:
        """Answer *rows*, one entry a row, in order."""


@dataclass(frozen=True)
class Answer:
    """The fields of each row's prediction, and the version that made them."""

    tag: str
    fields: list[Fields]


Outcome = list[Fields] | Exception


@dataclass(slots=True, eq=False)
class Job:
    """One request's rows on their way to the model; times are of the event loop."""

    rows: Sequence[Row]
    since: float
    future: asyncio.Future[Answer]
    gone: Callable[[], bool]
    timer: asyncio.TimerHandle | None = field(default=None)


Observe = Callable[[str, list[Job], list[Outcome], float], None]
"""Takes what came of one call: the version's tag, its jobs, their outcomes, the seconds."""


def unobserved(*_: object) -> None:
    """Take no notice of a call."""


def never() -> bool:
    """Say that the client is still there: for callers inside the process."""
    return False


class Dispatcher:
    """The queue of one use case in one worker. Not thread-safe: lives on the event loop.

    *model* gives the version that answers the next batch, so a swap falls between
    two batches. At most *queue_rows* rows wait; a batch takes at most *batch_rows*
    unless a single request brings more.
    """

    def __init__(
        self,
        use_case: str,
        model: Callable[[], Model],
        executor: Executor,
        *,
        queue_rows: int,
        batch_rows: int,
        observe: Observe = unobserved,
    ) -> None:
        self._model = model
        self._cost = Cost()
        self._executor = executor
        self._observe = observe
        self._queue_rows = queue_rows
        self._batch_rows = batch_rows
        self._queue: deque[Job] = deque()
        self._waiting = 0
        self._busy = False
        self._batch_size = metrics.batch_rows.labels(use_case)
        self._queue_time = metrics.queue_seconds.labels(use_case)
        self._model_time = metrics.model_seconds.labels(use_case)
        self._failed = metrics.failed_batches.labels(use_case)
        self._mismatched = metrics.batch_shape_mismatches.labels(use_case)
        self._late = metrics.dropped_requests.labels(use_case, "deadline")
        self._left = metrics.dropped_requests.labels(use_case, "client_gone")
        self._refused = metrics.dropped_requests.labels(use_case, "overloaded")
        self._queued = metrics.queued_rows.labels(use_case)

    async def submit(
        self,
        rows: Sequence[Row],
        *,
        seconds: float,
        gone: Callable[[], bool] = never,
    ) -> Answer:
        """Answer *rows* within *seconds*; *gone* tells whether the client has left.

        Raises:
            Overloaded: the queue is full.
            DeadlineExceeded: *seconds* passed; rows still queued never reach the model.
            ClientGone: the client had left when its turn came.
            NotReady: there is no model.
            BatchShapeMismatch: the model answered another number of rows.
            Exception: what the model raised on these rows.
        """
        if self._waiting + len(rows) > self._queue_rows:
            self._refused.inc()
            raise Overloaded(retry_after=self._cost.expected(self._waiting))
        loop = asyncio.get_running_loop()
        job = Job(rows, loop.time(), loop.create_future(), gone)
        job.timer = loop.call_later(seconds, self._expire, job)
        self._queue.append(job)
        self._waiting += len(rows)
        if not self._busy:
            # One turn of the event loop: all requests that are readable now join.
            self._busy = True
            loop.call_soon(self._dispatch)
        try:
            return await job.future
        finally:
            job.timer.cancel()

    def _expire(self, job: Job) -> None:
        if not job.future.done():
            self._late.inc()
            job.future.set_exception(DeadlineExceeded())

    def _dispatch(self) -> None:
        jobs = self._take()
        self._queued.set(self._waiting)
        if not jobs:
            self._again()
            return
        try:
            model = self._model()
        except Exception as error:
            self._settle(jobs, [error] * len(jobs), "")
            self._again()
            return
        self._queue_time.observe(asyncio.get_running_loop().time() - jobs[0].since)
        count = sum(len(job.rows) for job in jobs)
        self._batch_size.observe(count)
        self._cost = model.cost
        if model.cost.expected(count) <= INLINE_SECONDS:
            self._settle(jobs, self._run(model, jobs, count), model.tag)
            self._again()
        else:
            asyncio.get_running_loop().create_task(self._run_apart(model, jobs, count))

    async def _run_apart(self, model: Model, jobs: list[Job], count: int) -> None:
        loop = asyncio.get_running_loop()
        outcomes: list[Outcome]
        try:
            outcomes = await loop.run_in_executor(
                self._executor, self._run, model, jobs, count
            )
        except Exception as error:
            outcomes = [error] * len(jobs)
        self._settle(jobs, outcomes, model.tag)
        self._again()

    def _again(self) -> None:
        self._busy = bool(self._queue)
        if self._busy:
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _take(self) -> list[Job]:
        """Take the next batch off the queue, without late requests and absent clients."""
        jobs: list[Job] = []
        count = 0
        while self._queue:
            job = self._queue[0]
            if jobs and count + len(job.rows) > self._batch_rows:
                break
            self._queue.popleft()
            self._waiting -= len(job.rows)
            if job.future.done():
                continue
            if job.gone():
                self._left.inc()
                job.future.set_exception(ClientGone())
                continue
            jobs.append(job)
            count += len(job.rows)
        return jobs

    def _run(self, model: Model, jobs: list[Job], count: int) -> list[Outcome]:
        start = time.perf_counter()
        outcomes = model.cost.time(count, lambda: self._answer(model, jobs))
        seconds = time.perf_counter() - start
        self._model_time.observe(seconds)
        self._observe(model.tag, jobs, outcomes, seconds)
        return outcomes

    def _answer(self, model: Model, jobs: list[Job]) -> list[Outcome]:
        """Answer all *jobs* in one call; halve a call that fails, so only the guilty one fails."""
        rows = [row for job in jobs for row in job.rows]
        try:
            fields = model.predict(rows)
            if len(fields) != len(rows):
                raise BatchShapeMismatch(
                    f"asked {len(rows)} rows, got {len(fields)} answers"
                )
        except BatchShapeMismatch as error:
            self._mismatched.inc()
            return [error] * len(jobs)
        except Exception as error:
            self._failed.inc()
            if len(jobs) == 1:
                return [error]
            half = len(jobs) // 2
            return [
                *self._answer(model, jobs[:half]),
                *self._answer(model, jobs[half:]),
            ]
        return _shares(jobs, fields)

    @staticmethod
    def _settle(jobs: list[Job], outcomes: list[Outcome], tag: str) -> None:
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.future.done():
                continue
            if isinstance(outcome, Exception):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(Answer(tag, outcome))


def _shares(jobs: list[Job], fields: list[Fields]) -> list[Outcome]:
    shares: list[Outcome] = []
    start = 0
    for job in jobs:
        shares.append(fields[start : start + len(job.rows)])
        start += len(job.rows)
    return shares
