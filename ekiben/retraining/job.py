"""Gather, join, split, train, compare: a candidate, and what it would be instead of production."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ekiben.comparison import compare
from ekiben.datasets import Table
from ekiben.errors import TooFewLabels
from ekiben.monitoring.records import Logged, Observed
from ekiben.registry.manifest import Manifest
from ekiben.registry.store import Store
from ekiben.retraining.joining import Joined, join
from ekiben.retraining.labelled import Counts, collect
from ekiben.retraining.parts import parts_of
from ekiben.schemas.gates import Comparison
from ekiben.training import SEED, train
from ekiben.use_cases.use_case import UseCase

FEWEST_LABELLED = 50
"""Rows that the table does not have: with fewer, another version is hardly another."""


@dataclass(frozen=True)
class Window:
    """From when to when the log was read."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        """Return both times to the minute."""
        return f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class Retrained:
    """A registered candidate, what it was made of, and how it compares with production."""

    manifest: Manifest
    counts: Counts
    comparison: Comparison


def gather(
    use_case: UseCase,
    original: Table,
    pairs: Iterable[tuple[Logged, Observed | None]],
    window: Window,
    *,
    fewest: int = FEWEST_LABELLED,
) -> tuple[Joined, Counts]:
    """Join the labelled rows of *pairs*, which are those of *window*, to the *original*.

    Raises:
        TooFewLabels: they add fewer than *fewest* rows to it.
        InvalidTable: a label has too few rows.
    """
    counts = Counts()
    labelled = collect(pairs, use_case, counts)
    if len(labelled.digests) < fewest:
        counts.added = len(labelled.digests)
        raise TooFewLabels(use_case.name, counts.added, fewest, str(counts))
    joined = join(use_case, original, labelled, counts, str(window))
    if counts.added < fewest:
        raise TooFewLabels(use_case.name, counts.added, fewest, str(counts))
    return joined, counts


def retrain(
    use_case: UseCase,
    joined: Joined,
    counts: Counts,
    incumbent: str,
    store: Store,
    *,
    now: Callable[[], datetime],
    clock: Callable[[], float],
    seed: int = SEED,
) -> Retrained:
    """Train on *joined*, register the version and compare it with the *incumbent*.

    Production is not moved, and no gate is in the way of registering.

    Raises:
        InvalidTable: a class would have no row in one of the parts.
        UnknownModel, ArtefactRefused: the incumbent is gone or altered.
        NotComparable: the two cannot answer the same rows.
    """
    _, files = store.read(incumbent)
    parts = parts_of(use_case, joined, files, np.random.default_rng(seed))
    manifest = train(
        use_case, joined.table, store, now=now, clock=clock, seed=seed, parts=parts
    )
    found = compare(manifest.card.tag, incumbent, store=store, use_case=use_case)
    return Retrained(manifest, counts, found)
