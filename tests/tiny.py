"""Tiny versions: what a test registers when the model does not matter."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sklearn.dummy import DummyClassifier

from ekiben.registry.manifest import Manifest
from ekiben.registry.store import Store
from ekiben.schemas.model_card import (
    DataCard,
    Evaluation,
    Golden,
    Metric,
    ModelCard,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOLDEN = [Golden(row={"length": 1.5}, prediction={"label": "é", "p": 0.1})]


def estimator(answer: int = 1) -> Any:
    return DummyClassifier(strategy="constant", constant=answer).fit([[0], [1]], [0, 1])


def card(tag: str, *, trained_at: datetime = NOON, **changed: Any) -> ModelCard:
    facts: dict[str, Any] = {
        "tag": tag,
        "use_case": tag.partition(":")[0],
        "trained_at": trained_at,
        "training_seconds": 0.5,
        "data": DataCard(
            source="made up",
            kind="sample",
            sha256="0" * 64,
            rows=2,
            duplicates_dropped=0,
        ),
        "libraries": {},
        "parameters": {"strategy": "constant"},
        "decision": {"threshold": 0.5},
        "evaluation": Evaluation(
            rows=2,
            overall={"f1": Metric(value=0.5, low=0.25, high=0.75)},
            per_class={},
            per_slice={},
        ),
        "schema_sha256": "1" * 64,
    }
    return ModelCard(**(facts | changed))


def trained(minutes: int) -> Callable[[str], ModelCard]:
    """Make cards of versions trained some *minutes* after noon."""
    return lambda tag: card(tag, trained_at=NOON + timedelta(minutes=minutes))


def register(store: Store, use_case: str = "iris", **changed: Any) -> Manifest:
    asked = {"make_card": card, "golden": GOLDEN, "model": estimator()} | changed
    return store.register(use_case, asked.pop("model"), **asked)
