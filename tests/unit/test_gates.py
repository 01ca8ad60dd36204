"""Each gate at its boundary; what is not a number never passes."""

from typing import Any

import pytest

from ekiben import gates
from ekiben.schemas.gates import (
    Calibration,
    Difference,
    HoldoutFacts,
    Report,
    SliceDifferences,
    Verdict,
)
from ekiben.schemas.model_card import DataCard

NAN = float("nan")
HERE = {"python": "3.11.9", "numpy": "2.4.1"}


def difference(
    low: float | None,
    high: float | None,
    *,
    candidate: float | None = 0.9,
    incumbent: float | None = 0.9,
) -> Difference:
    both = candidate is not None and incumbent is not None
    return Difference(
        candidate=candidate,
        incumbent=incumbent,
        difference=candidate - incumbent if both else None,  # type: ignore[operator]
        low=low,
        high=high,
    )


def data(kind: Any) -> DataCard:
    return DataCard(
        source="made up", kind=kind, sha256="0" * 64, rows=9, duplicates_dropped=0
    )


def error(low: float) -> Calibration:
    return Calibration(error=low + 0.02, low=low, high=low + 0.04, bins=())


def test_a_refusal_of_the_files_is_the_verdict_on_integrity() -> None:
    assert gates.integrity(None, 5).passed
    refused = gates.integrity("model.yaml has another sha256", 0)
    assert (refused.passed, refused.words) == (False, "model.yaml has another sha256")


@pytest.mark.parametrize(
    ("recorded", "passed"),
    [
        pytest.param(HERE, True, id="the-same"),
        pytest.param(HERE | {"numpy": "2.4.9"}, True, id="another-patch"),
        pytest.param(HERE | {"pandas": "1.0"}, True, id="a-library-that-is-not-asked"),
        pytest.param(HERE | {"numpy": "2.5.0"}, False, id="another-minor"),
        pytest.param(HERE | {"numpy": "1.4.1"}, False, id="another-major"),
        pytest.param(HERE | {"python": "3.12.0"}, False, id="another-python"),
        pytest.param({"python": "3.11.9"}, False, id="not-recorded"),
    ],
)
def test_libraries_must_agree_in_major_and_minor(
    recorded: dict[str, str], passed: bool
) -> None:
    assert gates.libraries(recorded, HERE).passed is passed


@pytest.mark.parametrize(
    ("candidate", "incumbent", "passed"),
    [
        pytest.param("sample", "real", False, id="sample-replaces-real"),
        pytest.param("sample", "sample", True, id="sample-replaces-sample"),
        pytest.param("real", "sample", True, id="real-replaces-sample"),
        pytest.param("real", "real", True, id="real-replaces-real"),
        pytest.param("sample", None, True, id="the-first-is-a-sample"),
    ],
)
def test_a_sample_never_replaces_real_data(
    candidate: str, incumbent: str | None, passed: bool
) -> None:
    before = data(incumbent) if incumbent else None

    assert gates.provenance(data(candidate), before).passed is passed


@pytest.mark.parametrize(
    ("running", "incumbent", "passed"),
    [
        pytest.param([], [], True, id="nothing-differs"),
        pytest.param(["row.x: gone"], [], False, id="other-than-the-code"),
        pytest.param([], ["row.x: gone"], False, id="other-than-the-incumbent"),
        pytest.param(None, [], False, id="candidate-does-not-say"),
        pytest.param([], None, False, id="incumbent-does-not-say"),
    ],
)
def test_schemas_that_differ_or_are_unknown_are_refused(
    running: list[str] | None, incumbent: list[str] | None, passed: bool
) -> None:
    verdict = gates.schema(running, incumbent)

    assert verdict.passed is passed
    assert all(one in verdict.words for one in [*(running or ()), *(incumbent or ())])


@pytest.mark.parametrize(
    ("value", "passed"),
    [
        pytest.param(0.80, True, id="exactly-at-the-floor"),
        pytest.param(0.7999, False, id="just-below"),
        pytest.param(1.0, True, id="above"),
        pytest.param(NAN, False, id="nan-never-passes"),
        pytest.param(None, False, id="undefined-never-passes"),
    ],
)
def test_a_metric_must_reach_its_floor(value: float | None, passed: bool) -> None:
    assert gates.floors({"recall": value}, {"recall": 0.80}).passed is passed


def test_a_floor_of_a_metric_that_is_not_measured_is_not_reached() -> None:
    assert not gates.floors({}, {"recall": 0.1}).passed
    assert gates.floors({}, {}).passed


MAIN, OTHER, SLICE = (
    gates.MAIN_TOLERANCE,
    gates.METRIC_TOLERANCE,
    gates.SLICE_TOLERANCE,
)


@pytest.mark.parametrize(
    ("name", "found", "passed"),
    [
        pytest.param("auc", difference(-1, -MAIN), True, id="exactly-at-the-limit"),
        pytest.param("auc", difference(-1, -MAIN - 1e-9), False, id="just-below"),
        pytest.param("auc", difference(-0.5, 0.1), True, id="not-sure"),
        pytest.param("auc", difference(NAN, NAN), False, id="nan-never-passes"),
        pytest.param("auc", difference(None, None), False, id="no-interval"),
        pytest.param(
            "auc",
            difference(None, None, candidate=None),
            False,
            id="candidate-has-none",
        ),
        pytest.param(
            "f1",
            difference(None, None, incumbent=None),
            True,
            id="incumbent-has-none-either",
        ),
        pytest.param("f1", difference(-1, -OTHER), True, id="other-metric-at-limit"),
        pytest.param("f1", difference(-1, -OTHER - 1e-9), False, id="other-just-below"),
        pytest.param(
            "false_positive_rate", difference(OTHER, 1), True, id="smaller-is-better"
        ),
        pytest.param(
            "false_positive_rate",
            difference(OTHER + 1e-9, 1),
            False,
            id="smaller-is-better-just-above",
        ),
    ],
)
def test_a_metric_may_not_surely_lose_more_than_its_tolerance(
    name: str, found: Difference, passed: bool
) -> None:
    metrics = {"auc": difference(0.0, 0.0)} | {name: found}

    assert gates.regression(metrics, "auc").passed is passed


def test_a_main_metric_that_neither_version_has_is_refused() -> None:
    assert not gates.regression({}, "auc").passed


def test_what_cannot_be_measured_is_refused() -> None:
    verdict = gates.not_measured("regression", "the incumbent is gone")

    assert not verdict.passed
    assert verdict.words == "not measured: the incumbent is gone"


@pytest.mark.parametrize(
    ("found", "passed"),
    [
        pytest.param(difference(-1, -SLICE), True, id="exactly-at-the-limit"),
        pytest.param(difference(-1, -SLICE - 1e-9), False, id="just-below"),
        pytest.param(difference(None, None), True, id="not-defined-there"),
        pytest.param(difference(NAN, NAN), False, id="nan-never-passes"),
    ],
)
def test_one_slice_that_surely_loses_is_enough(found: Difference, passed: bool) -> None:
    fine = SliceDifferences(rows=99, metrics={"auc": difference(0, 0)})
    slices = {
        "salary": {
            "high": fine,
            "low": SliceDifferences(rows=99, metrics={"auc": found}),
        }
    }

    verdict = gates.slices(slices)

    assert verdict.passed is passed
    assert passed or verdict.words.startswith("salary low: auc")


def test_of_many_losses_the_words_name_three_and_the_numbers_all() -> None:
    lost = difference(-0.3, -0.2)
    metrics = {"auc": lost, "f1": lost}
    groups = {
        name: SliceDifferences(rows=99, metrics=metrics)
        for name in ("a", "b", "c", "d")
    }

    verdict = gates.slices({"size": groups})

    told = verdict.words.split("; ")
    assert [one.partition(":")[0] for one in told[:3]] == ["size a", "size b", "size c"]
    assert told[3:] == ["and 1 more"]
    assert all(": auc" in one for one in told[:3])
    assert len(verdict.numbers["size"]) == 4  # type: ignore[arg-type]


LIMIT = 0.1


@pytest.mark.parametrize(
    ("low", "passed"),
    [
        pytest.param(LIMIT, True, id="exactly-at-the-limit"),
        pytest.param(LIMIT + 1e-9, False, id="just-above"),
        pytest.param(0.0, True, id="not-sure"),
        pytest.param(NAN, False, id="nan-never-passes"),
    ],
)
def test_a_calibration_error_may_not_surely_be_above_its_limit(
    low: float, passed: bool
) -> None:
    assert gates.calibration(error(low), None, None, LIMIT).passed is passed


@pytest.mark.parametrize(
    ("found", "passed"),
    [
        pytest.param(difference(0.02, 1, incumbent=0.2), True, id="at-a-tenth"),
        pytest.param(
            difference(0.02 + 1e-9, 1, incumbent=0.2), False, id="just-above-a-tenth"
        ),
        pytest.param(
            difference(1e-3, 1, incumbent=1e-6), True, id="at-the-smallest-loss"
        ),
        pytest.param(
            difference(1e-3 + 1e-9, 1, incumbent=1e-6), False, id="above-the-smallest"
        ),
        pytest.param(difference(NAN, NAN), False, id="nan-never-passes"),
        pytest.param(
            difference(None, None, incumbent=None), True, id="nothing-to-lose"
        ),
    ],
)
def test_a_score_of_probabilities_may_not_surely_get_worse(
    found: Difference, passed: bool
) -> None:
    verdict = gates.calibration(error(0.0), error(0.0), found, LIMIT)

    assert verdict.passed is passed


ENOUGH, MOST = gates.FAST_ENOUGH_MS, gates.TOO_SLOW_MS[1]


@pytest.mark.parametrize(
    ("taken", "before", "passed"),
    [
        pytest.param(10.0, 5.0, True, id="exactly-twice"),
        pytest.param(10.1, 5.0, False, id="just-above-twice"),
        pytest.param(ENOUGH, 0.001, True, id="fast-enough-is-never-too-slow"),
        pytest.param(ENOUGH * 1.01, 0.001, False, id="just-above-fast-enough"),
        pytest.param(MOST, None, True, id="first-version-at-the-most"),
        pytest.param(MOST * 1.01, None, False, id="first-version-above-the-most"),
        pytest.param(MOST * 1.01, MOST, False, id="above-the-most-beside-a-slow-one"),
        pytest.param(NAN, 5.0, False, id="nan-never-passes"),
        pytest.param(NAN, None, False, id="nan-never-passes-first"),
    ],
)
def test_a_call_may_take_twice_the_incumbents_time(
    taken: float, before: float | None, passed: bool
) -> None:
    incumbent = None if before is None else {1: before}

    assert gates.latency({1: taken}, incumbent).passed is passed


def test_a_report_names_the_gates_that_refused_and_survives_json() -> None:
    report = Report(
        use_case="iris",
        candidate="iris:b",
        incumbent="iris:a",
        holdout=HoldoutFacts(rows=30, seen_by_incumbent=None, compared=30),
        verdicts=(
            Verdict(gate="golden", passed=True, words=""),
            Verdict(gate="floors", passed=False, words=""),
            Verdict(gate="latency", passed=False, words=""),
        ),
    )

    assert (report.passed, report.failed) == (False, ("floors", "latency"))
    assert Report.model_validate_json(report.model_dump_json()) == report
    facts = report.facts()
    assert isinstance(facts, dict)
    assert facts["failed"] == ["floors", "latency"]
