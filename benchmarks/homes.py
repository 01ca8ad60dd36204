"""Versions in a home of a benchmark's own: trained on the sample, promoted unasked."""

import time
from datetime import UTC, datetime
from pathlib import Path

from ekiben.datasets import load
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Grounds
from ekiben.registry.manifest import Manifest
from ekiben.registry.store import Store
from ekiben.training import train
from ekiben.use_cases.use_case import UseCase


def trained(use_case: UseCase, home: Path, seed: int) -> Manifest:
    """Train a version on the sample into *home*."""
    return train(
        use_case,
        load(use_case.dataset, cache=home, offline=True),
        Store.at(home),
        now=lambda: datetime.now(UTC),
        clock=time.perf_counter,
        seed=seed,
    )


def promote(ledger: LedgerDatabase, use_case: str, version: Manifest) -> None:
    """Move production of a use case to *version*, no gates asked."""
    ledger.append(
        use_case,
        lambda found: found.promote(
            use_case,
            version.card.tag,
            version.digest,
            Grounds(actor="benchmark"),
            seen=found.last(use_case),
            at=datetime.now(UTC),
        ),
    )
