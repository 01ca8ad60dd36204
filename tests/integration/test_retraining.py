"""Every use case is retrained from a log: no leak, the right labels, provenance, both databases."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ekiben.datasets import Table
from ekiben.holdout import digests_of, read_holdout, unseen
from ekiben.monitoring.store import PredictionStore
from ekiben.registry.store import Store
from ekiben.retraining import Retrained, Window, gather, retrain
from ekiben.training import libraries
from ekiben.use_cases.catalog import get_use_case
from ekiben.use_cases.use_case import UseCase
from tests.logbook import answered, feed_back, write
from tests.models import Trainings
from tests.tiny import card

pytestmark = pytest.mark.models

ROWS = 150


def registered(store: Store, use_case: UseCase, trainings: Trainings) -> str:
    """Register what the session trained, with its evidence."""
    trained = trainings.trained(use_case.name)
    manifest = store.register(
        use_case.name,
        trained.estimator,
        make_card=lambda tag: card(
            tag,
            data=trainings.table(use_case.name).card,
            decision=trained.predictor.decision,
            libraries=libraries(),
            schema_sha256=use_case.schema_sha256,
        ),
        golden=trained.golden,
        extras=trained.evidence,
    )
    return manifest.card.tag


def changed(row: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return a row that no table has: numbers a little off, texts with one word more."""
    return {
        name: f"{value[:4000]} word{rng.integers(10**9)}"
        if name == "text"
        else value * float(rng.uniform(0.99, 1.0))
        if isinstance(value, float)
        else value
        for name, value in row.items()
    }


def fill(
    url: str, use_case: UseCase, table: Table, trainings: Trainings, tag: str
) -> None:
    """Log answers to rows like those of the table, with the labels a client would send."""
    rng = np.random.default_rng(0)
    target = use_case.dataset.target
    per_class = ROWS // len(use_case.classes)
    chosen = table.frame.groupby(target, group_keys=False).sample(
        per_class, replace=True, random_state=0
    )
    chosen = chosen.sample(frac=1, random_state=0)
    rows = [changed(one, rng) for one in use_case.encoding.rows_of(chosen)]
    predictor = replace(trainings.predictor(use_case.name), tag=tag)
    records = answered(predictor, rows, timedelta(hours=1))
    with PredictionStore.opened(url) as log:
        write(log, records)
    truths = zip(records, chosen[target].tolist(), strict=True)
    flag = use_case.name == "fraud"  # its prediction says true, its table 1
    feed_back(
        url,
        {
            record.prediction_id: json.loads(json.dumps(bool(one) if flag else one))
            for record, one in truths
        },
    )


def retrained(
    url: str, use_case: UseCase, table: Table, store: Store, tag: str
) -> Retrained:
    now = datetime.now(UTC)
    window = Window(now - timedelta(days=1), now)
    with PredictionStore.opened(url) as log:
        pairs = log.read(use_case.name, since=window.since, until=window.until)
        joined, counts = gather(use_case, table, pairs, window)
    return retrain(
        use_case,
        joined,
        counts,
        tag,
        store,
        now=lambda: datetime.now(UTC),
        clock=time.perf_counter,
    )


@pytest.mark.parametrize("name", ["turnover", "fraud", "topics"])
def test_a_use_case_is_retrained_without_a_leak(
    name: str, tmp_path: Path, trainings: Trainings
) -> None:
    check(name, f"sqlite:///{tmp_path / 'log.db'}", tmp_path, trainings)


def test_the_log_may_be_in_either_database(
    url: str, tmp_path: Path, trainings: Trainings
) -> None:
    check("iris", url, tmp_path, trainings)


def check(name: str, url: str, home: Path, trainings: Trainings) -> None:
    use_case, table, store = get_use_case(name), trainings.table(name), Store.at(home)
    tag = registered(store, use_case, trainings)
    fill(url, use_case, table, trainings, tag)

    found = retrained(url, use_case, table, store, tag)

    assert found.counts.refused == found.counts.known == 0
    assert found.counts.added >= ROWS * 0.9
    data = found.manifest.card.data
    assert data.kind == table.card.kind
    assert data.rows == len(table.frame) + found.counts.added - found.counts.relabelled
    facts = found.comparison.report.holdout
    assert facts is not None
    assert facts.seen_by_incumbent == 0
    _, new = store.read(found.manifest.card.tag)
    _, old = store.read(tag)
    tested = read_holdout(use_case, new).frame
    for files in (new, old):
        fresh = unseen(use_case, tested, files)
        assert fresh is not None
        assert fresh.all()
    before = set(digests_of(use_case, read_holdout(use_case, old).frame))
    twice = before & set(twice_labelled(use_case, old))
    assert before - twice <= set(digests_of(use_case, tested))


def twice_labelled(use_case: UseCase, files: dict[str, bytes]) -> list[str]:
    """Return what a version has seen of its own test rows: equal fields, another label."""
    frame = read_holdout(use_case, files).frame
    fresh = unseen(use_case, frame, files)
    assert fresh is not None
    return list(digests_of(use_case, frame[~fresh]))
