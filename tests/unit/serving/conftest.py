import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from ekiben.datasets import Dataset
from ekiben.schemas.base import Prediction, Row
from ekiben.schemas.fraud import FraudPrediction, Transaction
from ekiben.schemas.iris import IrisFlower, IrisPrediction
from ekiben.schemas.model_card import (
    DataCard,
    Evaluation,
    Metric,
    ModelCard,
    SliceMetrics,
)
from ekiben.schemas.spam import Message, SpamPrediction
from ekiben.schemas.topics import Project, TopicPrediction
from ekiben.schemas.turnover import Employee, TurnoverPrediction
from ekiben.serving.roster import Served
from ekiben.use_cases.use_case import Encoding, UseCase
from tests.edges import Edge, MakeEdge

SCHEMAS: tuple[tuple[str, type[Row], type[Prediction]], ...] = (
    ("iris", IrisFlower, IrisPrediction),
    ("turnover", Employee, TurnoverPrediction),
    ("fraud", Transaction, FraudPrediction),
    ("spam", Message, SpamPrediction),
    ("topics", Project, TopicPrediction),
)


def _unused(*_: Any) -> Any:
    raise AssertionError("the edge asks a use case for its schemas only")


def _use_case(name: str, row: type[Row], prediction: type[Prediction]) -> UseCase:
    return UseCase(
        name=name,
        summary=f"What {name} is for.",
        row=row,
        prediction=prediction,
        dataset=cast("Dataset", None),
        encoding=cast("Encoding", None),
        classes=("no", "yes"),
        build=_unused,
        scorer=_unused,
        decide=_unused,
        answer=_unused,
        label_of=_unused,
        probabilities_of=_unused,
        metrics=(),
    )


@pytest.fixture(scope="session")
def use_cases() -> Sequence[UseCase]:
    """Stand-ins with the real schemas, and nothing behind them."""
    return [_use_case(*one) for one in SCHEMAS]


@pytest.fixture
def card() -> ModelCard:
    accuracy = {"accuracy": Metric(value=0.93, low=0.87, high=1.0)}
    recall = {"recall": Metric(value=0.9, low=0.7, high=1.0)}
    return ModelCard(
        tag="iris:k3v5q2rx6c4nyaav",
        use_case="iris",
        trained_at=datetime(2026, 11, 20, 8, 30, tzinfo=UTC),
        training_seconds=1.5,
        data=DataCard(
            source="iris.csv",
            kind="real",
            sha256="0" * 64,
            rows=149,
            duplicates_dropped=1,
        ),
        libraries={"scikit-learn": "1.8.0"},
        parameters={"clf__C": 1.0, "penalty": None, "classes": ["a", "b"]},
        decision={},
        evaluation=Evaluation(
            rows=30,
            overall=accuracy,
            per_class={"setosa": recall},
            per_slice={"petals": {"long": SliceMetrics(rows=12, metrics=accuracy)}},
        ),
        schema_sha256="1" * 64,
    )


class FakeVersions:
    """Two use cases; iris has a version, spam has none."""

    def __init__(self, card: ModelCard) -> None:
        iris = Served(
            use_case="iris",
            production=card.tag,
            previous="iris:older",
            since=datetime(2026, 11, 20, 9, 0, tzinfo=UTC),
            card=card,
        )
        spam = Served(
            use_case="spam", production="spam:broken", reason="/srv/s3cret is damaged"
        )
        self.served = {"iris": iris, "spam": spam}

    def listing(self) -> Sequence[Served]:
        return list(self.served.values())

    def find(self, use_case: str) -> Served | None:
        return self.served.get(use_case)


@pytest.fixture
def versions(card: ModelCard) -> FakeVersions:
    return FakeVersions(card)


class Client:
    """Asks routes as a browser would, behind a guard that names every request `req-1`."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self.app = Starlette(routes=routes)

    async def guarded(self, scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})["request_id"] = "req-1"
        await self.app(scope, receive, send)

    def ask(self, method: str, path: str) -> httpx.Response:
        async def one() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.guarded)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://ekiben"
            ) as client:
                return await client.request(method, path)

        return asyncio.run(one())

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", path)


Connect = Callable[[Sequence[BaseRoute]], Client]


@pytest.fixture
def connect() -> Connect:
    return Client


@pytest.fixture
def edge() -> Iterator[MakeEdge]:
    """Return a function that makes one worker's edge; all are closed in the end."""
    made: list[Edge] = []

    def make(**given: Any) -> Edge:
        made.append(Edge(**given))
        return made[-1]

    yield make
    for one in made:
        one.close()
