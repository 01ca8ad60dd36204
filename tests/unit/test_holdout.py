"""What a version keeps to be judged by."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ekiben.datasets import Table, load
from ekiben.holdout import (
    HOLDOUT,
    SEEN,
    NoEvidence,
    evidence,
    read_holdout,
    read_schemas,
    schemas_of,
    thin_out,
    unseen,
)
from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.iris import IRIS
from ekiben.use_cases.use_case import UseCase

TEST = np.arange(0, 149, 5)


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return load(IRIS.dataset, cache=tmp_path_factory.mktemp("cache"), offline=True)


def kept(frame: pd.DataFrame) -> dict[str, bytes]:
    return evidence(IRIS, frame, TEST, np.random.default_rng(0))


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda one: one.name)
def test_test_rows_come_back_as_they_were(use_case: UseCase, tmp_path: Path) -> None:
    frame = load(use_case.dataset, cache=tmp_path, offline=True).frame.iloc[:400]
    test = np.arange(0, len(frame), 3)

    files = evidence(use_case, frame, test, np.random.default_rng(0))
    found = read_holdout(use_case, files)

    expected = frame.iloc[test].reset_index(drop=True)
    pd.testing.assert_frame_equal(found.frame, expected)
    assert found.labels.tolist() == expected[use_case.dataset.target].tolist()
    assert set(found.weights) == {1.0}
    assert read_schemas(files) == schemas_of(use_case)


def test_rows_that_were_not_tested_have_been_seen(flowers: Table) -> None:
    fresh = unseen(IRIS, flowers.frame, kept(flowers.frame))

    assert fresh is not None
    assert np.flatnonzero(fresh).tolist() == TEST.tolist()


def test_a_row_is_known_by_its_fields_whatever_its_label(flowers: Table) -> None:
    relabelled = flowers.frame.assign(species="setosa")

    fresh = unseen(IRIS, relabelled, kept(flowers.frame))

    assert fresh is not None
    assert np.flatnonzero(fresh).tolist() == TEST.tolist()


def test_it_cannot_be_told_what_a_version_without_evidence_has_seen(
    flowers: Table,
) -> None:
    other = json.dumps({"fields": ["petals"], "digests": []}).encode()

    assert unseen(IRIS, flowers.frame, {}) is None
    assert unseen(IRIS, flowers.frame, {SEEN: gzip.compress(other)}) is None
    assert read_schemas({}) is None


def test_a_version_without_test_rows_or_with_rows_of_another_table_is_refused(
    flowers: Table,
) -> None:
    files = kept(flowers.frame)
    rows = gzip.decompress(files[HOLDOUT]).replace(b"petal_width", b"petal_depth")

    with pytest.raises(NoEvidence, match="holds no test rows"):
        read_holdout(IRIS, {})
    with pytest.raises(NoEvidence, match="petal_width"):
        read_holdout(IRIS, {HOLDOUT: gzip.compress(rows)})


def test_the_same_rows_make_the_same_files(flowers: Table) -> None:
    assert kept(flowers.frame) == kept(flowers.frame)


def test_too_many_rows_are_thinned_out_the_rarest_class_last() -> None:
    labels = np.repeat(["a", "b", "c"], [900, 60, 40])

    places, weights = thin_out(labels, np.random.default_rng(0), most=200)

    names, counts = np.unique(labels[places], return_counts=True)
    assert dict(zip(names, counts.tolist(), strict=True)) == {
        "a": 100,
        "b": 60,
        "c": 40,
    }
    assert set(weights[labels[places] == "a"]) == {9.0}
    assert set(weights[labels[places] != "a"]) == {1.0}
    assert sorted(set(places)) == places.tolist()


def test_few_rows_are_all_kept() -> None:
    places, weights = thin_out(np.array([1, 0, 1]), np.random.default_rng(0))

    assert (places.tolist(), weights.tolist()) == ([0, 1, 2], [1.0, 1.0, 1.0])
