"""Training: parts of a table, golden rows, what a card says; on a small table."""

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekiben.datasets import Table, load
from ekiben.errors import InvalidTable
from ekiben.holdout import read_holdout
from ekiben.predictor import load_predictor
from ekiben.registry.store import Store
from ekiben.schemas.model_card import DataCard
from ekiben.training import (
    FEWEST_OF_CLASS,
    Trained,
    fit,
    parameters_of,
    pick_golden,
    split,
    train,
)
from ekiben.use_cases.iris import IRIS
from ekiben.use_cases.topics import TOPICS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return load(IRIS.dataset, cache=tmp_path_factory.mktemp("cache"), offline=True)


def seconds() -> float:
    return float(next(COUNTER))


COUNTER = itertools.count()


def fitted(table: Table) -> Trained:
    return fit(IRIS, table, clock=seconds)


@given(
    st.lists(st.integers(FEWEST_OF_CLASS, 40), min_size=2, max_size=4),
    st.integers(0, 9),
)
def test_each_row_is_in_one_part_and_each_class_in_all(
    counts: list[int], seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)

    parts = split(labels, np.random.default_rng(seed))

    places = np.concatenate((parts.train, parts.validation, parts.test))
    assert sorted(places) == list(range(len(labels)))
    for part in (parts.train, parts.validation, parts.test):
        assert set(labels[part]) == set(range(len(counts)))


def test_the_parts_are_three_fifths_and_twice_a_fifth() -> None:
    parts = split(np.arange(1000) % 2, np.random.default_rng(0))

    sizes = [len(part) for part in (parts.train, parts.validation, parts.test)]
    assert sizes == [600, 200, 200]


def test_another_seed_splits_otherwise() -> None:
    one, other = (
        split(np.zeros(100), np.random.default_rng(seed)).test for seed in (0, 1)
    )

    assert set(one) != set(other)


def test_golden_rows_are_of_every_class_and_from_both_sides_of_the_border() -> None:
    stated = np.linspace(0, 1, 101)
    labels, answers = stated >= 0.4, stated >= 0.6

    picked = pick_golden(
        labels, answers, np.column_stack((1 - stated, stated)), (False, True)
    )

    assert {0, 39, 40, 100} <= set(picked)  # each class from end to end
    assert {59, 60} <= set(picked)  # where the answer changes
    assert 10 <= len(picked) <= 24
    assert len(picked) == len(set(picked))


def test_a_class_with_too_few_rows_is_refused(flowers: Table) -> None:
    frame = flowers.frame
    kept = frame[(frame["species"] != "setosa") | (np.arange(len(frame)) < 4)]

    with pytest.raises(InvalidTable, match="'setosa' has 4 rows, 5 are needed"):
        fitted(Table(kept, flowers.card))


def test_the_least_rows_that_are_allowed_can_be_trained() -> None:
    words = {"mlops": "deploy", "other": "tea", "computer-vision": "image"}
    words |= {"natural-language-processing": "text"}
    rows = [
        {"text": f"{word} {number}{word}", "topic": topic}
        for topic, word in words.items()
        for number in range(FEWEST_OF_CLASS)
    ]
    card = DataCard(
        source="made up", kind="sample", sha256="", rows=20, duplicates_dropped=0
    )

    trained = fit(TOPICS, Table(pd.DataFrame(rows), card), clock=seconds)

    assert trained.evaluation.rows == 4


def test_training_twice_gives_the_same(flowers: Table) -> None:
    one, two = fitted(flowers), fitted(flowers)

    assert one.evaluation == two.evaluation
    assert one.golden == two.golden


def test_the_time_of_fitting_is_that_of_the_clock(flowers: Table) -> None:
    assert fitted(flowers).seconds == 1.0


def test_golden_rows_hold_the_examples_and_unseen_rows(flowers: Table) -> None:
    golden = fitted(flowers).golden

    assert [one.row for one in golden[:2]] == IRIS.examples
    assert 12 <= len(golden) <= 30
    species = {one.prediction["species"] for one in golden}
    assert species == set(IRIS.classes)


def test_parameters_are_those_that_json_can_say() -> None:
    parameters = parameters_of(IRIS.build(3))

    assert parameters["decisiontreeclassifier__random_state"] == 3
    assert parameters["minmaxscaler__feature_range"] == [0, 1]
    assert "decisiontreeclassifier" not in parameters
    assert "steps" not in parameters
    json.dumps(parameters, allow_nan=False)


@pytest.mark.models
def test_a_registered_version_answers_as_the_trained_one(
    flowers: Table, tmp_path: Path
) -> None:
    store = Store.at(tmp_path)

    manifest = train(IRIS, flowers, store, now=lambda: NOON, clock=seconds)

    predictor = load_predictor(store, IRIS, manifest.card.tag)
    rows = [one.row for one in manifest.golden]
    assert predictor.predict_raw(rows) == [one.prediction for one in manifest.golden]
    assert manifest.card.trained_at == NOON
    assert manifest.card.data == flowers.card
    assert manifest.card.schema_sha256 == IRIS.schema_sha256
    assert {"python", "platform", "scikit-learn", "numpy"} <= set(
        manifest.card.libraries
    )
    assert manifest.card.evaluation == fitted(flowers).evaluation


def test_the_parts_may_be_given(flowers: Table) -> None:
    labels = np.array(flowers.frame["species"].tolist())
    parts = split(labels, np.random.default_rng(7))

    given = fit(IRIS, flowers, clock=seconds, parts=parts)

    assert given.evaluation.rows == len(parts.test)
    tested = read_holdout(IRIS, dict(given.evidence)).frame
    expected = flowers.frame.iloc[parts.test].reset_index(drop=True)
    pd.testing.assert_frame_equal(tested, expected)
