"""A target is met, missed, or was not measured."""

import pytest

from benchmarks.results import Case, Results
from benchmarks.targets import RATIOS, Verdict, verdicts
from tests.unit.benchmarks.measured import measured

BUSY = Case("iris", 1, 32)
LONE = Case("iris", 1, 1)


def verdict(results: Results, words: str) -> Verdict:
    found = [one for one in verdicts(results, ("iris",)) if words in one.target]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("answered", "met"),
    [
        pytest.param(500, True, id="exactly-the-minimum"),
        pytest.param(499, False, id="just-below"),
    ],
)
def test_the_ratio_is_compared_with_its_minimum(answered: int, met: bool) -> None:
    results = Results((*measured("ekiben", [answered]), *measured("tuned", [100])))

    assert verdict(results, "times the requests of tuned").met is met


def test_the_median_repeat_counts() -> None:
    ours, theirs = measured("ekiben", [900, 100, 600]), measured("tuned", [100] * 3)

    found = verdict(Results((*ours, *theirs)), "times the requests of tuned")

    assert found == Verdict(found.target, True, "6.0 times")


@pytest.mark.parametrize(
    ("ours", "theirs", "met"),
    [
        pytest.param(0.5, 1.0, True, id="exactly-half"),
        pytest.param(0.51, 1.0, False, id="slower"),
    ],
)
def test_a_lone_client_waits_half_as_long_as_with_tuned(
    ours: float, theirs: float, met: bool
) -> None:
    results = Results(
        (
            *measured("ekiben", [1], case=LONE, p50_ms=ours),
            *measured("tuned", [1], case=LONE, p50_ms=theirs),
        )
    )

    assert verdict(results, "p50").met is met


def test_one_failed_request_is_a_miss() -> None:
    results = Results(tuple(measured("ekiben", [10, 10], case=BUSY, non_2xx=1)))

    assert verdict(results, "no failed request") == Verdict(
        "iris: no failed request of ekiben with 1 rows over 32 connections",
        False,
        "2 failed",
    )


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    found = verdicts(Results(()), ("iris",))

    assert found
    assert {one.met for one in found} == {None}


@pytest.mark.parametrize("use_case", ["iris", "turnover", "fraud", "spam", "topics"])
def test_every_use_case_races_the_tutorial_once(use_case: str) -> None:
    named = [one for one in RATIOS if one.use_cases and use_case in one.use_cases]

    assert [one.against for one in named if one.against != "asgi"] == ["tutorial"]


def test_a_peer_that_is_ahead_anywhere_is_named() -> None:
    case = Case("iris", 100, 4)
    ours, theirs = measured("ekiben", [10], case=case), measured("ray", [20], case=case)

    found = verdict(Results((*ours, *theirs)), "ahead of ray")

    assert found.met is False
    assert found.measured == "0.50 times"


@pytest.mark.parametrize(
    ("server", "form", "answered", "met"),
    [
        pytest.param("ekiben", "JSON", 50, True, id="half-as-json"),
        pytest.param("ekiben", "JSON", 49, False, id="less-as-json"),
        pytest.param("arrow", "Arrow", 80, True, id="four-fifths-as-tables"),
        pytest.param("arrow", "Arrow", 79, False, id="less-as-tables"),
    ],
)
def test_many_rows_are_held_against_the_model_alone(
    server: str, form: str, answered: int, met: bool
) -> None:
    case = Case("iris", 1000, 4)
    ours = measured(server, [answered], case=case)
    limit = measured("in-process", [100], case=case)

    assert verdict(Results((*ours, *limit)), f"in {form}").met is met
