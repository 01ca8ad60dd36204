"""Worse versions are refused by the gate that is there for them; equal ones are not."""

from dataclasses import replace
from pathlib import Path

import pytest

from ekiben.comparison import NotComparable, check, compare
from ekiben.datasets import Table
from ekiben.errors import UnknownModel
from ekiben.registry.files import digest_tree
from ekiben.registry.store import Store
from ekiben.schemas.gates import Report
from ekiben.use_cases.iris import IRIS
from ekiben.use_cases.use_case import UseCase
from tests.doctored import (
    PLAIN,
    SLICED,
    Narrow,
    registered_again,
    small,
    trained,
    with_fault,
)
from tests.models import Trainings

pytestmark = pytest.mark.models

ABSOLUTE = {"integrity", "libraries", "provenance", "schema", "golden"}
ABSOLUTE |= {"floors", "calibration", "latency"}
SEEDS = 20


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.at(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def table(trainings: Trainings) -> Table:
    return small(trainings.table("turnover"))


@pytest.fixture(scope="module")
def incumbent(store: Store, table: Table) -> str:
    return trained(store, with_fault(""), table)


def report(
    store: Store, candidate: str, incumbent: str | None, use_case: UseCase = PLAIN
) -> Report:
    """Ask the gates; whatever they say, nothing in the store may change."""
    before = digest_tree(store.models)
    found = check(candidate, incumbent, store=store, use_case=use_case)
    assert digest_tree(store.models) == before
    return found


def spoil(store: Store, tag: str, name: str, content: bytes) -> None:
    store.models.joinpath(*tag.split(":"), name).write_bytes(content)


def content_of(store: Store, tag: str, name: str) -> bytes:
    return store.models.joinpath(*tag.split(":"), name).read_bytes()


def test_an_equal_version_passes_every_gate(
    store: Store, table: Table, incumbent: str
) -> None:
    equal = trained(store, with_fault(""), table)

    found = report(store, equal, incumbent, SLICED)

    assert found.failed == ()
    assert {one.gate for one in found.verdicts} == ABSOLUTE | {"regression", "slices"}
    assert found.holdout is not None
    assert found.holdout.compared >= found.holdout.rows - 5  # same fields, other label


def test_the_first_version_is_asked_by_the_absolute_gates_only(
    store: Store, incumbent: str
) -> None:
    found = report(store, incumbent, None)

    assert found.passed
    assert {one.gate for one in found.verdicts} == ABSOLUTE


@pytest.mark.parametrize(
    ("fault", "gate"),
    [
        pytest.param("shuffled", "floors", id="labels-shuffled"),
        pytest.param("shuffled", "regression", id="labels-shuffled-beside-another"),
        pytest.param("one slice", "slices", id="one-slice-broken"),
    ],
)
def test_a_worse_version_is_refused(
    store: Store, table: Table, incumbent: str, fault: str, gate: str
) -> None:
    worse = trained(store, with_fault(fault), table)

    assert gate in report(store, worse, incumbent, SLICED).failed


def test_squared_probabilities_are_refused_for_that_alone(
    store: Store, trainings: Trainings
) -> None:
    """Of all rows: most are so sure that a square changes little on a few hundred."""
    table = trainings.table("turnover")
    before, squared = (
        trained(store, with_fault(fault), table) for fault in ("", "squared")
    )

    assert report(store, squared, before).failed == ("calibration",)
    assert report(store, before, squared).passed


def test_a_version_three_times_slower_is_refused(store: Store, table: Table) -> None:
    before = trained(store, with_fault("sleeps 10"), table)
    slower = trained(store, with_fault("sleeps 30"), table)

    assert report(store, slower, before).failed == ("latency",)
    assert report(store, before, slower).passed


def test_an_incompatible_schema_is_refused_and_the_difference_named(
    store: Store, table: Table, incumbent: str
) -> None:
    other = trained(store, replace(with_fault(""), row=Narrow), table)

    found = report(store, other, incumbent)

    assert found.failed == ("schema",)
    [words] = [one.words for one in found.verdicts if one.gate == "schema"]
    assert "row.time_spend_company: maximum 60, or 20" in words


@pytest.mark.parametrize(
    "name", ["saved_model.pkl", "evidence/holdout.jsonl.gz", "manifest.json"]
)
def test_a_flipped_bit_or_a_truncated_file_is_refused_unread(
    store: Store, incumbent: str, name: str
) -> None:
    for mask, cut in ((1, None), (0, -1)):
        tag = registered_again(store, incumbent)
        good = content_of(store, tag, name)
        spoil(store, tag, name, (bytes([good[0] ^ mask]) + good[1:])[:cut])

        found = report(store, tag, incumbent)

        assert found.failed == ("integrity",)
        assert len(found.verdicts) == 1


def test_another_library_version_is_refused_before_anything_is_unpickled(
    store: Store, incumbent: str
) -> None:
    tag = registered_again(
        store,
        incumbent,
        lambda card: {"libraries": card["libraries"] | {"scikit-learn": "0.1.0"}},
    )

    found = report(store, tag, incumbent)

    assert found.failed == ("libraries",)
    assert "golden" not in {one.gate for one in found.verdicts}


def test_a_sample_trained_version_does_not_replace_one_of_real_data(
    store: Store, incumbent: str
) -> None:
    tag = registered_again(
        store, incumbent, lambda card: {"data": card["data"] | {"kind": "sample"}}
    )

    assert report(store, tag, incumbent).failed == ("provenance",)
    assert report(store, tag, tag).passed
    assert report(store, tag, None).passed


def test_other_golden_predictions_are_refused(store: Store, incumbent: str) -> None:
    [first, *rest] = store.manifest(incumbent).golden
    off = {"probability": first.prediction["probability"] + 2e-9}  # type: ignore[operator]
    wrong = first.model_copy(update={"prediction": first.prediction | off})
    tag = registered_again(store, incumbent, golden=[wrong, *rest])

    assert report(store, tag, incumbent).failed == ("golden",)


def test_a_version_without_test_rows_is_refused(store: Store, incumbent: str) -> None:
    tag = registered_again(store, incumbent, extras={})

    found = report(store, tag, None)

    assert found.failed == ("schema", "floors")
    with pytest.raises(NotComparable, match="holds no test rows"):
        compare(tag, incumbent, store=store, use_case=PLAIN)


def test_an_incumbent_that_is_spoilt_is_no_reason_to_pass(
    store: Store, incumbent: str
) -> None:
    tag = registered_again(store, incumbent)
    spoil(store, tag, "saved_model.pkl", b"")

    assert report(store, incumbent, tag).failed == ("regression",)


def test_what_an_old_incumbent_has_seen_is_unknown_and_all_rows_are_compared(
    store: Store, incumbent: str
) -> None:
    old = registered_again(store, incumbent, extras={})

    found = report(store, incumbent, old)

    assert found.passed
    assert found.holdout is not None
    assert found.holdout.seen_by_incumbent is None
    assert found.holdout.compared == found.holdout.rows


def test_rows_that_the_incumbent_has_seen_are_left_out(
    store: Store, table: Table, incumbent: str
) -> None:
    other = trained(store, with_fault(""), table, seed=1)

    found = report(store, other, incumbent)

    assert found.holdout is not None
    assert found.holdout.rows == 600
    assert 60 < found.holdout.compared < 180


def test_an_unknown_tag_is_unknown(store: Store, incumbent: str) -> None:
    for candidate, rival in ((incumbent[:-1], incumbent), (incumbent, incumbent[:-1])):
        with pytest.raises(UnknownModel):
            check(candidate, rival, store=store, use_case=PLAIN)


def test_an_equal_version_passes_whatever_the_seed_of_the_bootstrap(
    tmp_path: Path, trainings: Trainings
) -> None:
    store = Store.at(tmp_path)
    flowers = trainings.table("iris")
    one, other = (trained(store, IRIS, flowers) for _ in range(2))

    for seed in range(SEEDS):
        assert check(one, other, store=store, use_case=IRIS, seed=seed).passed
