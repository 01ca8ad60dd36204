"""FastAPI over the same versions, as an engineer would write it who knows what costs time.

What was chosen, and why: `async` endpoints, so that no request changes threads; arrays
made from the rows without pandas, by the very code that Ekiben uses; one call of
`predict_proba`, in one thread, since starting threads for one row costs more than the
row; scikit-learn's checks of its input off, as pydantic has made them; the answer
straight to bytes by orjson, no `response_model`; no access log; uvloop and httptools;
what is loaded frozen out of the garbage collector. What it does not have is what a
framework does not bring: batching across requests, a scorer of its own per model, and
an edge without FastAPI's steps per request. It makes no ids.
"""

import gc
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import sklearn
from fastapi import FastAPI
from starlette.responses import Response

from benchmarks.baselines.versions import Promoted, load_checked
from ekiben.schemas.base import PredictRequest, Row
from ekiben.use_cases.use_case import Fields


def answer(promoted: Promoted, rows: Sequence[Row]) -> list[Fields]:
    """Answer *rows* with one call of the model."""
    encoded = promoted.use_case.encoding.from_rows(rows)
    probabilities = promoted.estimator.predict_proba(encoded)
    return promoted.use_case.answer(probabilities, promoted.decision)


def in_one_thread(estimator: Any) -> None:
    """Have the estimator, and each one inside it, use one thread."""
    names = [name for name in estimator.get_params() if name.endswith("n_jobs")]
    estimator.set_params(**dict.fromkeys(names, 1))


def endpoint(promoted: Promoted) -> Callable[..., Any]:
    """Make the endpoint of one use case."""
    request_model: Any = PredictRequest[promoted.use_case.row]  # type: ignore[name-defined]

    async def predict(request: request_model) -> Response:
        fields = answer(promoted, request.rows)
        return Response(orjson.dumps(fields), media_type="application/json")

    return predict


def make_app() -> FastAPI:
    """Make the application, models loaded."""
    sklearn.set_config(assume_finite=True, skip_parameter_validation=True)
    app = FastAPI()
    for one in load_checked(answer, in_one_thread):
        path = f"/v1/{one.use_case.name}/predict"
        app.post(path, response_model=None)(endpoint(one))

    @app.get("/readyz")
    async def readyz() -> Response:
        return Response("ready")

    gc.collect()
    gc.freeze()
    return app
