"""A server process whose iris model is a stub with one fault or cost: our edge and dispatcher, no store.

Its predict requests go the short way, as a server's do, unless the stub says otherwise.

Used as: python -m tests.faults.stub_server PORT JSON_OF_STUB; see `Stub`.
"""

import asyncio
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import uvicorn
from prometheus_client import Gauge, make_asgi_app

from ekiben.predictor import Predictor
from ekiben.serving import batch, edge, guard, short_way
from ekiben.serving.application import build_application
from ekiben.serving.batch import Isolation, Outcome, unobserved
from ekiben.serving.connections import Limits
from ekiben.serving.cost import Cost
from ekiben.serving.edge import Headers
from ekiben.serving.guard import Guard
from ekiben.serving.jobs import Model, Piece
from ekiben.serving.route import Route
from ekiben.serving.short_protocol import install_protocol
from ekiben.serving.worker import Worker
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case

IRIS = get_use_case("iris")
POISON = 13.0
BLOCK = b"x" * 65536


def burn(milliseconds: float) -> None:
    """Take processor time as numeric libraries do: mostly without the interpreter's lock."""
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        hashlib.sha256(BLOCK)


@dataclass
class Stub:
    """Echoes each row's sepal length; a row with sepal width POISON makes it raise."""

    fault: str = ""
    row_ms: float = 0.0
    call_ms: float = 0.0
    removed: str = ""
    """The defence that is taken out, to show what it is good for."""
    settings: dict[str, Any] = field(default_factory=dict)
    tag: str = "iris:stub"
    short: bool = True
    cost: Cost = field(default_factory=Cost)

    def predict(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        burn(self.call_ms + self.row_ms * len(rows))
        if any(row.sepal_width == POISON for row in rows):
            raise ValueError("poisoned")
        if self.fault in SCORES:
            return Predictor(IRIS, SCORES[self.fault], {}, self.tag).predict(rows)
        answers = [{"echo": row.sepal_length} for row in rows]
        if self.fault == "one-missing":
            return answers[1:]
        return [*answers[:1], *answers] if self.fault == "one-too-many" else answers


SCORES: dict[str, Any] = {
    "nan": lambda rows: np.full((len(rows), 3), np.nan),
    "dtype": lambda rows: np.full((len(rows), 3), "a", dtype=object),
    "transposed": lambda rows: np.full((3, len(rows) + 3), 0.3),
}


def remove(defence: str) -> None:
    """Take *defence* out of this process."""
    if defence == "isolation":

        def all_fail(
            self: Isolation, model: Model, pieces: Sequence[Piece], error: Exception
        ) -> list[Outcome]:
            return [error] * len(pieces)

        Isolation._halve = all_fail  # type: ignore[method-assign]
    if defence == "length check":

        def unchecked(
            self: Isolation, model: Model, pieces: Sequence[Piece]
        ) -> list[Outcome]:
            fields = model.predict([row for piece in pieces for row in piece.rows])
            return batch._shares(pieces, fields)

        Isolation.answer = unchecked  # type: ignore[method-assign]
    if defence == "own ids":
        # What happens where ids live in a variable of the process.
        first: list[str] = []

        def remembered(headers: Headers) -> str:
            first.append(edge.request_id(headers))
            return first[0]

        for one in (guard, short_way):
            one.request_id = remembered  # type: ignore[attr-defined]


def application(stub: Stub) -> Guard:
    remove(stub.removed)
    for rows in (1, 8, 64):
        stub.cost.learn(rows, (stub.call_ms + stub.row_ms * rows) / 1000)
    roster: Any = SimpleNamespace(
        predictor=lambda use_case: stub,
        tags=lambda use_case: ({stub.tag}, stub.tag),
        load=lambda: None,
        ready=True,
    )
    follower: Any = SimpleNamespace(start=lambda: None, unreachable_since=None)
    watch: Any = SimpleNamespace(start=lambda: None, observe=unobserved)
    worker = Worker([IRIS], roster, follower, watch, Settings(**stub.settings))
    Gauge("stub_tasks", "Tasks of the event loop.").set_function(
        lambda: len(asyncio.all_tasks())
    )
    routes = [Route("/v1/iris/predict", IRIS)]
    return build_application(make_asgi_app(), routes, worker, auth=False)


def main(port: str, told: str) -> None:
    stub = Stub(**json.loads(told))
    made = application(stub)
    settings = Settings(**stub.settings)
    install_protocol(Limits.of(settings), made.short_way if stub.short else None)
    uvicorn.run(
        made,
        host="127.0.0.1",
        port=int(port),
        log_level="warning",
        access_log=False,
        lifespan="off",
        backlog=2048,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
