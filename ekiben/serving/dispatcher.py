"""Adaptive batching without waiting: dispatch at once when idle, batch what queued up while busy."""

import asyncio
import time
from collections.abc import Callable, Sequence, Set
from concurrent.futures import Executor
from contextlib import suppress

from ekiben.errors import ClientGone, DeadlineExceeded, NotReady, Overloaded
from ekiben.schemas.base import Row
from ekiben.serving.admission import Admission
from ekiben.serving.batch import Isolation, Observe, Outcome, unobserved
from ekiben.serving.fair_queue import FairQueue
from ekiben.serving.jobs import Answer, Job, Model, Piece, Reply, never
from ekiben.serving.pace import Limits, Pace
from ekiben.serving.tally import Tally
from ekiben.serving.version_counts import Versions
from ekiben.use_cases.answers import joined

__all__ = ["Answer", "Dispatcher", "Limits", "Model", "never"]

INLINE_SECONDS = 0.002
"""A model call that is expected to take longer leaves the event loop."""


class Dispatcher:
    """The queue of one use case in one worker. Not thread-safe: lives on the event loop.

    *model* gives the version that answers the next batch, so a swap falls between
    two batches. *admission* is shared by all dispatchers of the worker.
    """

    def __init__(
        self,
        use_case: str,
        model: Callable[[], Model],
        executor: Executor,
        admission: Admission,
        limits: Limits,
        observe: Observe = unobserved,
    ) -> None:
        self._model = model
        self._observe = observe
        self._executor = executor
        self._admission = admission
        self._pace = Pace(limits)
        self._queue = FairQueue()
        self._rows = 0
        self._jobs = 0
        self._busy = False
        self._due = False
        # Jobs that the dispatch of this turn will most likely answer.
        self._untimed: list[Job] = []
        self._settled_at = 0.0
        self.versions = Versions(use_case)
        self._tally = Tally(
            use_case, lambda: (self._queue.rows, self._rows), self.versions.publish
        )
        self._isolation = Isolation(self.versions.of)
        admission.drains.append(self.drain)

    def publish(self, loaded: Set[str], answering: str | None) -> None:
        """Give the metrics everything now; of the versions those that are *loaded*."""
        self._tally.write()
        self.versions.keep(loaded, answering)

    def count_direct(self) -> None:
        """Count a 200 answer that the guard did not see."""
        self._tally.direct += 1

    def drain(self) -> float:
        """Return the seconds until what is in flight should be answered."""
        return self._pace.seconds(self._rows, self._jobs) if self._rows else 0.0

    def check(self, rows: int, *, seconds: float, caller: str = "") -> None:
        """Refuse *rows* that could not be answered in time; `submit` asks it too.

        The edge asks before it reads a body, so that a refusal costs little.

        Raises:
            Overloaded: the worker holds too many rows, or too much work is in flight.
            DeadlineExceeded: what is in flight takes longer than *seconds*.
        """
        if (
            self._rows + rows <= self._pace.calm_rows
            and self._admission.rows + rows <= self._admission.calm_rows
            and seconds >= self._pace.allowed
        ):
            return
        if not self._admission.has_room(caller, rows):
            raise self._overloaded()
        # With nothing in flight all are let in: the expectation may be wrong, and
        # only a call can correct it.
        if not self._rows:
            return
        expected = self._expected(rows, caller)
        if expected > self._pace.allowed:
            raise self._overloaded()
        if expected > seconds:
            self._tally.drop("deadline")
            raise DeadlineExceeded(retry_after=self.drain())

    def _overloaded(self) -> Overloaded:
        self._tally.drop("overloaded")
        return Overloaded(retry_after=self._admission.drain())

    def _expected(self, rows: int, caller: str) -> float:
        """Return the seconds until *rows* of *caller* would be answered, given its turns."""
        queue = self._queue
        own = queue.rows_of(caller)
        callers = queue.callers + (own == 0)
        turns = self._rows - queue.rows + (own + rows) * callers
        ahead = min(self._rows + rows, turns)
        jobs = (self._jobs + 1) * ahead / (self._rows + rows)
        return self._pace.seconds(ahead, jobs)

    async def submit(
        self,
        rows: Sequence[Row],
        *,
        seconds: float,
        gone: Callable[[], bool] = never,
        caller: str = "",
    ) -> Answer:
        """Answer *rows* within *seconds*; *gone* tells whether the client has left.

        Callers take turns by rows, so that nobody's flood keeps another waiting.

        Raises:
            Overloaded: the worker holds too many rows, or too much work is in flight.
            DeadlineExceeded: *seconds* passed, or surely will; rows still queued never
                reach the model.
            ClientGone: the client had left when its turn came.
            NotReady: there is no model.
            BatchShapeMismatch: the model answered another number of rows.
            Exception: what the model raised on these rows.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        job = self.enqueue(rows, future, seconds=seconds, gone=gone, caller=caller)
        try:
            return await future
        except asyncio.CancelledError:
            self._cancelled(job)
            raise
        finally:
            _disarm(job)

    def enqueue(
        self,
        rows: Sequence[Row],
        future: Reply,
        *,
        seconds: float,
        gone: Callable[[], bool] = never,
        caller: str = "",
    ) -> Job:
        """Do as `submit` without waiting: *future* is told what came of it.

        Raises:
            Overloaded, DeadlineExceeded: as `check` says.
        """
        self.check(len(rows), seconds=seconds, caller=caller)
        loop = asyncio.get_running_loop()
        now = loop.time()
        job = Job(rows, now, future, gone, caller, now + seconds)
        self._enter(job)
        if not self._busy:
            # One turn of the event loop: all requests that are readable now join.
            self._busy = True
            self._dispatch_soon()
        if self._due:
            self._untimed.append(job)
        else:
            self._arm(job)
        return job

    def _arm(self, job: Job) -> None:
        job.timer = asyncio.get_running_loop().call_at(job.until, self._expire, job)

    def _dispatch_soon(self) -> None:
        self._due = True
        asyncio.get_running_loop().call_soon(self._dispatch)

    def _enter(self, job: Job) -> None:
        count = len(job.rows)
        self._admission.enter(job.caller, count)
        self._rows += count
        self._jobs += 1
        self._tally.admit()
        self._queue.push(job)

    def _leave(self, job: Job) -> None:
        """Forget *job*, whose future is done and whose rows no call has."""
        count = len(job.rows)
        self._admission.leave(job.caller, count)
        self._rows -= count
        self._jobs -= 1

    def _expire(self, job: Job) -> None:
        if not job.future.done():
            self._tally.drop("deadline")
            self._blame(job.model, "deadline_exceeded")
            self._fail(job, DeadlineExceeded())

    def _blame(self, model: Model | None, code: str) -> None:
        """Count an error of *model*, None: of what answers now, if anything does."""
        with suppress(NotReady):
            self.versions.of((model or self._model()).tag).errors[code] += 1

    def _cancelled(self, job: Job) -> None:
        """Forget *job*, whose caller inside the process no longer waits for it."""
        if job.future.cancelled():
            self._tally.refuse(ClientGone())
            if not job.running:
                self._leave(job)

    def _fail(self, job: Job, error: Exception) -> None:
        """End *job* with *error*; rows that a call has count until it is done with them."""
        _disarm(job)
        job.future.set_exception(error)
        self._tally.refuse(error)
        if not job.running:
            self._leave(job)

    def _dispatch(self) -> None:
        self._due = False
        try:
            self._call()
        finally:
            # A timer for each request would be made and cancelled in the same turn.
            untimed, self._untimed = self._untimed, []
            for job in untimed:
                if not job.future.done():
                    self._arm(job)

    def _call(self) -> None:
        try:
            model = self._model()
        except Exception as error:
            self._refuse_all(error)
            return
        if self._pace.cost is not model.cost:
            self._pace.know(model.cost)
        room = self._pace.room(model.cost, self._queue.rows)
        pieces = [piece for piece in self._queue.take(room) if self._stays(piece.job)]
        if not pieces:
            self._again()
            return
        loop = asyncio.get_running_loop()
        counts = self.versions.of(model.tag)
        counts.queue_seconds.add(loop.time() - pieces[0].job.since)
        count = sum(piece.stop - piece.start for piece in pieces)
        counts.batch_rows.add(count)
        if model.cost.expected(count) <= INLINE_SECONDS:
            self._settle(pieces, self._run(model, pieces, count), model, count)
        else:
            self._run_apart(model, pieces, count)

    def _stays(self, job: Job) -> bool:
        """Whether the client of *job* is still there; asked just before its call."""
        if job.future.done():
            return False  # an earlier piece of it has found out
        if job.gone():
            self._tally.drop("client_gone")
            self._fail(job, ClientGone())
            return False
        return True

    def _refuse_all(self, error: Exception) -> None:
        """Fail all that wait: there is no model."""
        while self._queue:
            for piece in self._queue.take(max(1, self._queue.rows)):
                if not piece.job.future.done():
                    self._fail(piece.job, error)
        self._again()

    def _run_apart(self, model: Model, pieces: list[Piece], count: int) -> None:
        for piece in pieces:
            piece.job.running = True
        self._pace.know(model.cost)
        loop = asyncio.get_running_loop()
        try:
            call = loop.run_in_executor(self._executor, self._run, model, pieces, count)
        except RuntimeError:
            # No thread can be started. The model is not to blame, nor may the queue stop.
            self._settle(pieces, [Overloaded(1.0)] * len(pieces), model, count)
            return

        def done(call: asyncio.Future[list[Outcome]]) -> None:
            error = call.exception()
            if isinstance(error, Exception):
                self._settle(pieces, [error] * len(pieces), model, count)
            else:
                self._settle(pieces, call.result(), model, count)

        call.add_done_callback(done)

    def _run(self, model: Model, pieces: list[Piece], count: int) -> list[Outcome]:
        start = time.perf_counter()
        outcomes = model.cost.time(
            count, lambda: self._isolation.answer_each(model, pieces)
        )
        seconds = time.perf_counter() - start
        self.versions.of(model.tag).model_seconds.add(seconds)
        self._observe(model.tag, pieces, outcomes, seconds)
        return outcomes

    def _settle(
        self, pieces: list[Piece], outcomes: list[Outcome], model: Model, count: int
    ) -> None:
        if self._queue:
            # Only with others waiting does the time between two calls say what a call takes.
            now = asyncio.get_running_loop().time()
            start = max(self._settled_at, pieces[0].job.since)
            self._pace.learn(model.cost, count, len(pieces), now - start)
            self._settled_at = now
        for piece, outcome in zip(pieces, outcomes, strict=True):
            self._give(piece.job, outcome, model, count)
        self._again()

    def _give(self, job: Job, outcome: Outcome, model: Model, count: int) -> None:
        was_running, job.running = job.running, False
        if job.future.done():
            if was_running:
                self._leave(job)
            return
        if isinstance(outcome, Exception):
            if not isinstance(outcome, Overloaded):
                self._blame(job.model or model, "internal")
            self._fail(job, outcome)
            return
        if asyncio.get_running_loop().time() > job.until:
            # While the call ran on the event loop no timer could say so.
            self._expire(job)
            return
        fields = outcome
        if count > job.batch_rows:
            job.batch_rows = count
        if len(fields) < len(job.rows):
            fields = job.fields = joined(job.fields, outcome)
            job.model = job.model or model
        if len(fields) == len(job.rows):
            _disarm(job)
            self._tally.answered += 1
            self._leave(job)
            tag = (job.model or model).tag
            job.future.set_result(Answer(tag, fields, job.batch_rows))

    def _again(self) -> None:
        self._busy = bool(self._queue)
        if self._busy:
            self._dispatch_soon()


def _disarm(job: Job) -> None:
    if job.timer is not None:
        job.timer.cancel()
        job.timer = None
