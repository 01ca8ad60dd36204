"""service.py with faults put in or defences taken out, as FAULT says; for child servers."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from _bentoml_sdk import Service

from ekiben.predictor import Predictor
from ekiben.serving import bento_service, predict_route, short_protocol, worker
from ekiben.serving.roster import Roster
from ekiben.serving.worker import Worker
from service import Ekiben
from tests.faults.failures import FAILURES

__all__ = ["Ekiben"]


def make_models_raise() -> None:
    predict = Predictor.predict

    def raising(self: Predictor, rows: Any) -> Any:
        asked = int(getattr(rows[0], "sepal_length", 0)) - 20
        if 0 <= asked < len(FAILURES):
            FAILURES[asked]()
        return predict(self, rows)

    Predictor.predict = raising  # type: ignore[method-assign]


def believe_bodies() -> None:
    make = predict_route.PredictRoute.__init__

    def remember(self: Any, use_case: Any, *others: Any) -> None:
        make(self, use_case, *others)
        self.row = use_case.row

    def parse(self: Any, body: bytes) -> Any:
        rows = json.loads(body)["rows"]
        return [self.row.model_construct(**one) for one in rows]

    predict_route.PredictRoute.__init__ = remember  # type: ignore
    predict_route.PredictRoute.parse = parse  # type: ignore[method-assign]


def speak_as_uvicorn_does() -> None:
    short_protocol.install_protocol = lambda *_: None


def miss_a_name_of_uvicorn() -> None:
    short_protocol.missing_names = lambda: ("canary",)  # type: ignore[attr-defined]


def leave_bentoml_alone() -> None:
    bento_service.EkibenService.to_asgi = Service.to_asgi  # type: ignore[method-assign]


def stamp_late() -> None:
    """Name the version that is production when the answer is sent, not the one that made it."""
    predict = Worker.predict

    async def stamped(self: Worker, use_case: str, *given: Any, **options: Any) -> Any:
        answer = await predict(self, use_case, *given, **options)
        await asyncio.sleep(0.05)
        tag = self.roster.predictor(use_case).tag
        for fields in answer.fields:
            fields["model"] = tag
        return answer._replace(content=orjson.dumps(answer.fields))

    Worker.predict = stamped  # type: ignore[method-assign]
    miss_a_name_of_uvicorn()  # the short way has no moment at which it could be late


def answer_before_it_is_logged() -> None:
    async def at_once(waiter: Any, seconds: float) -> None:
        waiter.add_done_callback(lambda done: done.exception())

    worker.logged = at_once  # type: ignore[attr-defined]


def refuse_threads() -> None:
    """Let no thread be started while the file NO_THREADS is there: as at a limit of pids."""
    start = threading.Thread.start

    def refused(self: threading.Thread) -> None:
        if os.path.exists(os.environ["NO_THREADS"]):
            raise RuntimeError("can't start new thread")
        start(self)

    threading.Thread.start = refused  # type: ignore[method-assign]


def ask_the_ledger_each_time() -> None:
    """Look the version up for every request, as where none is kept in memory."""
    predictor = Roster.predictor

    def asked(self: Roster, use_case: str) -> Any:
        self._choose(use_case)
        return predictor(self, use_case)

    Roster.predictor = asked  # type: ignore[method-assign]


FAULTS: Mapping[str, Callable[[], None]] = {
    "raise": make_models_raise,
    "loose": believe_bodies,
    "no-protocol": speak_as_uvicorn_does,
    "no-wait": answer_before_it_is_logged,
    "no-threads": refuse_threads,
    "no-memory": ask_the_ledger_each_time,
    "bare": leave_bentoml_alone,
    "no-short-way": miss_a_name_of_uvicorn,
    "late-stamp": stamp_late,
}

for name in os.environ["FAULT"].split(","):
    FAULTS[name]()
