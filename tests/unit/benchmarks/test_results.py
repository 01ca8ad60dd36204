"""Ratios belong to repeats, figures are medians over them."""

import pytest

from benchmarks.results import Case, Measurement, Results, Spread
from tests.unit.benchmarks.measured import CASE, measured


def test_a_figure_is_the_median_of_its_repeats() -> None:
    results = Results(tuple(measured("ekiben", [100, 300, 200])))

    assert results.find("ekiben", CASE, "req_s") == Spread(200, 100, 300)


def test_a_ratio_compares_within_a_repeat() -> None:
    fast, slow = measured("ekiben", [100, 50, 300]), measured("tuned", [10, 10, 10])

    results = Results((*fast, *slow))

    assert results.find_ratio("ekiben", "tuned", CASE) == Spread(10, 5, 30)


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([], id="never-measured"),
        pytest.param([0.0], id="answered-nothing"),
    ],
)
def test_there_is_no_ratio_without_the_other(others: list[float]) -> None:
    results = Results((*measured("ekiben", [100]), *measured("tuned", others)))

    assert results.find_ratio("ekiben", "tuned", CASE) is None


def test_refused_requests_are_failures_and_not_answers() -> None:
    results = Results(tuple(measured("stock", [80], non_2xx=20)))

    assert results.failures("stock", CASE) == 20
    assert results.find("stock", CASE, "req_s") == Spread(80, 80, 80)


def test_memory_is_the_most_that_was_seen() -> None:
    results = Results(tuple(measured("ekiben", [1, 1, 1])))

    assert results.memory_mib("ekiben") == 302


def test_measurements_survive_json() -> None:
    (one,) = measured("ekiben", [100])

    assert Measurement.of_json(one.to_json()) == one


def test_cases_keep_the_order_of_measurement() -> None:
    later, sooner = Case("spam", 1, 32), Case("topics", 1, 1)
    ones = [*measured("ekiben", [1], case=sooner), *measured("ekiben", [1], case=later)]

    assert Results(tuple(ones)).cases == [sooner, later]
