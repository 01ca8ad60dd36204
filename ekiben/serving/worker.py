"""All that one server process holds: the roster, a dispatcher per use case, their threads."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import orjson

from ekiben.errors import ClientGone
from ekiben.monitoring.ids import NUMBERS, fresh
from ekiben.monitoring.prediction_log import PredictionLog, logged
from ekiben.monitoring.refresh import Refresher
from ekiben.schemas.base import Row
from ekiben.serving.admission import Admission
from ekiben.serving.break_glass import BreakGlass
from ekiben.serving.dispatcher import Answer, Dispatcher, Limits, never
from ekiben.serving.follower import Follower
from ekiben.serving.in_process import IN_PROCESS
from ekiben.serving.live import Live
from ekiben.serving.log_metrics import LogMetrics
from ekiben.serving.model_threads import ModelThreads
from ekiben.serving.roster import Roster
from ekiben.serving.run_files import run_directory
from ekiben.serving.watch import Watch
from ekiben.use_cases.answers import Answers, Fields
from ekiben.use_cases.json_text import as_text
from ekiben.use_cases.rounding import round_stated

if TYPE_CHECKING:
    from ekiben.settings import Settings
    from ekiben.use_cases.use_case import UseCase

log = logging.getLogger(__name__)

LOG_STOP_SECONDS = 5.0
"""That writing out the prediction log may take at the end."""
LOG_DIRECTORY = "log"


@dataclass(slots=True)
class Call:
    """What the edge knows of a request, and what came of it, past BentoML's layers."""

    seconds: float
    gone: Callable[[], bool] = never
    caller: str = ""
    request_id: str = ""
    since: float | None = None
    tag: str = ""
    error: Exception | None = None


current_call: ContextVar[Call | None] = ContextVar("current_call", default=None)


@dataclass
class Worker:
    """One process's answers. `load` blocks and may run on any thread; `predict` is for the event loop."""

    use_cases: "Sequence[UseCase]"
    roster: Roster
    follower: Follower
    watch: Watch
    settings: "Settings"
    refresher: Refresher = field(default_factory=Refresher)
    live: Live | None = None
    break_glass: BreakGlass | None = None
    dispatcher: Callable[..., Dispatcher] = Dispatcher
    dispatchers: dict[str, Dispatcher] = field(init=False)
    threads: ModelThreads = field(init=False)
    predictions: PredictionLog | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Make the dispatchers; no model is loaded yet."""
        self._loading = threading.Lock()
        self._loaded = False
        self._decimals = self.settings.probability_decimals
        self.threads = ModelThreads(len(self.use_cases) or 1)
        admission = Admission(self.settings.rows_in_flight)
        limits = _limits(self.settings)
        self.dispatchers = {
            use_case.name: self.dispatcher(
                use_case.name,
                partial(self.roster.predictor, use_case.name),
                self.threads,
                admission,
                limits,
                partial(self.watch.observe, use_case.name),
            )
            for use_case in self.use_cases
        }

        for one in self.dispatchers.values():
            IN_PROCESS.add(one.versions)

    @property
    def loaded(self) -> bool:
        """Whether loading has ended, well or not."""
        return self._loaded

    def load(self) -> None:
        """Load and warm up all versions, once."""
        with self._loading:
            if not self._loaded:
                self.threads.start()
                self._start_log()
                self.roster.load()
                self._loaded = True

    def _start_log(self) -> None:
        self.predictions = PredictionLog.start(
            self.settings,
            {one.name: one.row for one in self.use_cases},
            LogMetrics(one.name for one in self.use_cases),
            run_directory(self.settings.run_dir) / LOG_DIRECTORY,
        )

    def start(self) -> None:
        """Load in the background, then follow: the process answers /livez meanwhile."""
        threading.Thread(target=self._load_and_follow, name="load", daemon=True).start()

    def _load_and_follow(self) -> None:
        self.load()
        self.follower.start()
        self.watch.start()
        if self.break_glass is not None:
            self.break_glass.start()
        self.refresher.start()

    def publish(self) -> None:
        """Give the metrics what was counted, and say which versions are loaded."""
        for name, dispatcher in self.dispatchers.items():
            dispatcher.publish(*self.roster.tags(name))

    def stop(self) -> None:
        """End what runs beside the requests; what is to be kept is written out."""
        self.follower.stop()
        if self.break_glass is not None:
            self.break_glass.stop()
        self.refresher.stop()
        if self.predictions is not None:
            self.predictions.stop(LOG_STOP_SECONDS)

    async def predict(
        self,
        use_case: str,
        rows: Sequence[Row],
        *,
        seconds: float,
        gone: Callable[[], bool] = never,
        caller: str = "",
        request_id: str = "",
        since: float | None = None,
        as_table: bool = False,
    ) -> Answer:
        """Answer *rows* with ids and tag stamped, and log them.

        *since* is when the request came, by `time.perf_counter`. What is sent *as_table*
        has no content in JSON.

        Raises:
            LogUnavailable: what cannot be logged is not to be answered.
            Exception: what `Dispatcher.submit` raises.
        """
        start = time.perf_counter() if since is None else since
        answer = await self.dispatchers[use_case].submit(
            rows, seconds=seconds, gone=gone, caller=caller
        )
        if gone():
            raise ClientGone
        fields, content, waiter = self.finish(
            use_case, rows, answer, start, request_id, caller, as_table=as_table
        )
        if waiter is not None:
            await logged(waiter, seconds - (time.perf_counter() - start))
        return answer._replace(fields=fields, content=content)

    def finish(
        self,
        use_case: str,
        rows: Sequence[Row],
        answer: Answer,
        start: float,
        request_id: str,
        caller: str,
        *,
        as_table: bool = False,
    ) -> "tuple[Sequence[Fields], bytes, asyncio.Future[None] | None]":
        """Stamp ids and tag on *answer* and log it; *start* is by `time.perf_counter`.

        Returns the fields, the same in JSON but for columns that go *as_table*, and what
        is to be waited for before they may be sent; None: nothing.

        Raises:
            LogUnavailable: what cannot be logged is not to be answered.
        """
        tag, fields = answer.tag, answer.fields
        if self._decimals is not None:
            fields = list(fields)
            round_stated(fields, self._decimals)
        log = self.predictions
        if isinstance(fields, Answers):
            begin, columns, gathered = fresh(), fields.columns, None
            ids = [begin + number for number in NUMBERS[: len(fields)]]
            fields = fields.stamped(prediction_id=ids, model=tag)
            content = b"" if as_table else fields.written()
            answered = b"" if log is None else as_text(columns)
        else:
            gathered = None
            if log is not None:
                together = answer.batch_rows
                gathered = log.gathered(use_case, tag, caller, together, rows)
            begin, first = (gathered.ids, gathered.rows) if gathered else (fresh(), 0)
            for number, one in enumerate(fields, first):
                one["prediction_id"] = begin + NUMBERS[number]
                one["model"] = tag
            answered = content = orjson.dumps(fields)
        if log is None:
            return fields, content, None
        seconds = time.perf_counter() - start
        if gathered:
            log.join(gathered, rows, content, seconds=seconds, request_id=request_id)
            return fields, content, None
        waiter = log.add(
            use_case,
            tag,
            begin,
            rows,
            answered,
            batch_rows=answer.batch_rows,
            seconds=seconds,
            request_id=request_id,
            caller=caller,
        )
        return fields, content, waiter

    async def predict_in_call(self, use_case: str, rows: Sequence[Row]) -> Answer:
        """Answer for BentoML's own path, or a caller inside the process without an edge."""
        call = current_call.get()
        if call is None:
            call = Call(self.settings.deadline_ms / 1000)
            await asyncio.to_thread(self.load)
        try:
            answer = await self.predict(
                use_case,
                rows,
                seconds=call.seconds,
                gone=call.gone,
                caller=call.caller,
                request_id=call.request_id,
                since=call.since,
            )
        except Exception as error:
            call.error = error
            raise
        call.tag = answer.tag
        return answer


def _limits(settings: "Settings") -> Limits:
    """Return what a dispatcher may take on; work past the deadline would be for nobody."""
    return Limits(
        queue_seconds=min(settings.queue_ms, settings.deadline_ms) / 1000,
        batch_rows=settings.batch_rows,
        batch_seconds=settings.batch_ms / 1000,
    )
