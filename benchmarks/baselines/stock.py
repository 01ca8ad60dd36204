"""BentoML as it comes, over the same versions: what its documentation shows.

`batchable=True` with a list of pydantic rows, a pandas frame inside, one call of
`predict_proba`, all other settings as they are. Requests that its batcher refuses with
503 are counted as failed.
"""

from collections.abc import Sequence
from typing import Any

import bentoml

from benchmarks.baselines.frames import features
from benchmarks.baselines.versions import Promoted, load_checked
from ekiben.schemas.base import Row
from ekiben.schemas.fraud import Transaction
from ekiben.schemas.iris import IrisFlower
from ekiben.schemas.spam import Message
from ekiben.schemas.topics import Project
from ekiben.schemas.turnover import Employee
from ekiben.use_cases.use_case import Fields


def answer(promoted: Promoted, rows: Sequence[Row]) -> list[Fields]:
    """Answer *rows* with one call of the model."""
    probabilities = promoted.estimator.predict_proba(features(promoted.use_case, rows))
    return promoted.use_case.answer(probabilities, promoted.decision)


@bentoml.service
class Stock:
    """The five models behind BentoML's own batching."""

    def __init__(self) -> None:
        self.promoted = {one.use_case.name: one for one in load_checked(answer)}

    def answer(self, use_case: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Answer *rows* by the production version of *use_case*."""
        return answer(self.promoted[use_case], rows)

    @bentoml.api(batchable=True, route="/v1/iris/predict")
    def predict_iris(self, rows: list[IrisFlower]) -> list[dict[str, Any]]:
        """Name the species of each flower."""
        return self.answer("iris", rows)

    @bentoml.api(batchable=True, route="/v1/turnover/predict")
    def predict_turnover(self, rows: list[Employee]) -> list[dict[str, Any]]:
        """Tell which employees leave."""
        return self.answer("turnover", rows)

    @bentoml.api(batchable=True, route="/v1/fraud/predict")
    def predict_fraud(self, rows: list[Transaction]) -> list[dict[str, Any]]:
        """Tell which card transactions are fraudulent."""
        return self.answer("fraud", rows)

    @bentoml.api(batchable=True, route="/v1/spam/predict")
    def predict_spam(self, rows: list[Message]) -> list[dict[str, Any]]:
        """Tell which messages are spam."""
        return self.answer("spam", rows)

    @bentoml.api(batchable=True, route="/v1/topics/predict")
    def predict_topics(self, rows: list[Project]) -> list[dict[str, Any]]:
        """Name the topic of each project."""
        return self.answer("topics", rows)
