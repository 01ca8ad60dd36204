"""FastAPI over the same versions, the way most articles serve scikit-learn models.

What was chosen, and why: a pydantic request and a `response_model`, `def` endpoints
(FastAPI moves them to its thread pool, as its documentation advises for blocking work),
one pandas frame a request, `predict` and then `predict_proba`, the estimators just as
they were saved: the forest starts its threads for every call. In its favour: LightGBM
was saved with one thread, no access log, uvloop and httptools are there for uvicorn to
find, and no ids are made.
"""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, create_model

from benchmarks.baselines.frames import features
from benchmarks.baselines.versions import Promoted, load_checked
from ekiben.schemas.base import PredictRequest, Row
from ekiben.use_cases.use_case import Fields

OURS = ("prediction_id", "model")
"""Fields that only Ekiben stamps on a prediction."""


def answer(promoted: Promoted, rows: Sequence[Row]) -> list[Fields]:
    """Answer *rows* with the model's own label and what the use case states."""
    array = features(promoted.use_case, rows)
    labels = promoted.estimator.predict(array)
    probabilities = promoted.estimator.predict_proba(array)
    stated = promoted.use_case.answer(probabilities, promoted.decision)
    return [
        {"predicted": str(label), **fields}
        for label, fields in zip(labels, stated, strict=True)
    ]


def response_model(promoted: Promoted) -> type[BaseModel]:
    """Return the model of one answer: the prediction's fields and the model's label."""
    declared = promoted.use_case.prediction.model_fields
    fields: dict[str, Any] = {
        name: (info.annotation, ...)
        for name, info in declared.items()
        if name not in OURS
    }
    name = f"{promoted.use_case.name.title()}Answer"
    return create_model(name, predicted=(str, ...), **fields)


def endpoint(promoted: Promoted) -> Callable[..., Any]:
    """Make the endpoint of one use case."""
    request_model: Any = PredictRequest[promoted.use_case.row]  # type: ignore[name-defined]

    def predict(request: request_model) -> list[Fields]:
        return answer(promoted, request.rows)

    return predict


def make_app() -> FastAPI:
    """Make the application, models loaded."""
    app = FastAPI()
    for one in load_checked(answer):
        app.post(
            f"/v1/{one.use_case.name}/predict",
            response_model=list[response_model(one)],  # type: ignore[misc]
        )(endpoint(one))

    @app.get("/readyz")
    def readyz() -> str:
        return "ready"

    return app
