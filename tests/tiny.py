"""Tiny versions: what a test registers when the model does not matter."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sklearn.dummy import DummyClassifier

from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Event, Grounds
from ekiben.registry.ledger import Production
from ekiben.registry.manifest import Manifest
from ekiben.registry.store import Store
from ekiben.schemas.model_card import (
    DataCard,
    Evaluation,
    Golden,
    Metric,
    ModelCard,
)
from ekiben.settings import Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOLDEN = [Golden(row={"length": 1.5}, prediction={"label": "é", "p": 0.1})]


def ledger_url(home: Path) -> str:
    return Settings(home=home).ledger_url


def promote(home: Path, manifest: Manifest, at: datetime = NOON) -> Event:
    """Move production of the version's use case to it, no gates asked."""
    with LedgerDatabase.opened(ledger_url(home)) as database:
        return promote_in(database, manifest.card.tag, manifest.digest, at)


def promote_in(
    database: LedgerDatabase, tag: str, digest: str = "d", at: datetime = NOON
) -> Event:
    use_case = tag.partition(":")[0]
    return database.append(
        use_case,
        lambda ledger: ledger.promote(
            use_case,
            tag,
            digest,
            Grounds(actor="a test"),
            seen=ledger.last(use_case),
            at=at,
        ),
    )


def productions(home: Path) -> dict[str, Production]:
    """Return what is production, by use case."""
    with LedgerDatabase.opened(ledger_url(home)) as database:
        return productions_of(database)


def productions_of(database: LedgerDatabase) -> dict[str, Production]:
    ledger = database.verified()
    found = {name: ledger.production(name) for name in ledger.use_cases()}
    return {name: one for name, one in found.items() if one}


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
