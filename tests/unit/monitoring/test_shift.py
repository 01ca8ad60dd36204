"""How far two samples are apart: sizes and chances that a textbook would give."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekiben.monitoring.shift import (
    category_shift,
    count_cells,
    edges_of,
    holm,
    number_shift,
    population_stability_index,
)

numbers = st.floats(-1e6, 1e6).map(lambda one: round(one, 6))
samples = st.lists(numbers, min_size=2, max_size=40).map(np.array)
names = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 500), min_size=1)


@given(samples)
def test_a_sample_is_not_apart_from_itself(sample: np.ndarray) -> None:
    shift = number_shift(sample, sample)

    assert shift.psi == 0
    assert shift.statistic == 0
    assert shift.p == 1


@given(names)
def test_categories_are_not_apart_from_themselves(counts: dict[str, int]) -> None:
    shift = category_shift(counts, counts)

    assert shift.psi == 0
    assert shift.p == pytest.approx(1)


@given(samples, samples)
def test_a_shift_has_a_size_and_a_chance(a: np.ndarray, b: np.ndarray) -> None:
    shift = number_shift(a, b)

    assert shift.psi >= -1e-12
    assert math.isfinite(shift.psi)
    assert 0 <= shift.p <= 1


@given(names, names)
def test_categories_have_a_size_and_a_chance(
    a: dict[str, int], b: dict[str, int]
) -> None:
    there, back = category_shift(a, b), category_shift(b, a)

    assert math.isfinite(there.psi)
    assert there.psi >= -1e-12
    assert 0 <= there.p <= 1
    assert there.psi == pytest.approx(back.psi)
    assert there.p == pytest.approx(back.p)


@given(samples, samples, st.sampled_from([0.25, 2.0, 1024.0]))
def test_units_do_not_matter(a: np.ndarray, b: np.ndarray, scale: float) -> None:
    # Powers of two, so that no two numbers become one.
    plain, scaled = number_shift(a, b), number_shift(a * scale, b * scale)

    assert scaled.statistic == plain.statistic
    assert scaled.psi == pytest.approx(plain.psi)


@given(samples, samples, st.integers(2, 5))
def test_more_rows_of_the_same_shares_are_surer_but_not_further_apart(
    a: np.ndarray, b: np.ndarray, times: int
) -> None:
    few, many = (
        number_shift(a, b),
        number_shift(np.repeat(a, times), np.repeat(b, times)),
    )

    assert many.statistic == pytest.approx(few.statistic)
    assert many.p <= few.p + 1e-12


@given(samples)
def test_every_number_falls_into_a_cell(sample: np.ndarray) -> None:
    edges = edges_of(sample)
    cells = count_cells(edges, np.array([*sample, -np.inf, np.inf]))

    assert cells.sum() == len(sample) + 2
    assert cells[0] == 1  # nothing of the reference lies below its least value
    assert cells[-1] == 1


def test_the_index_is_that_of_the_formula() -> None:
    found = population_stability_index(np.array([50.0, 50.0]), np.array([80.0, 20.0]))

    assert found == pytest.approx(0.3 * math.log(1.6) - 0.3 * math.log(0.4))


def test_an_empty_cell_counts_as_half_a_row() -> None:
    found = population_stability_index(np.array([10.0, 0.0]), np.array([5.0, 5.0]))

    p, q = np.array([10, 0.5]) / 10.5, np.array([0.5, 0.5])
    assert found == pytest.approx(float(np.sum((q - p) * np.log(q / p))))


@pytest.mark.parametrize("deviations", [0.25, 0.5, 1.0])
def test_the_index_of_moved_normal_numbers_is_their_squared_move(
    deviations: float,
) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=200_000), rng.normal(size=200_000) + deviations

    # The integral of (q - p) log(q / p) is the square; ten cells see a little less.
    assert 0.85 < number_shift(a, b).psi / deviations**2 < 1.0


def test_what_was_constant_and_moved_is_found_to_either_side() -> None:
    constant = np.full(1000, 3.0)

    for moved in (constant - 1, constant + 1):
        shift = number_shift(constant, moved)
        assert shift.psi > 5
        assert shift.p < 1e-100


def test_a_move_down_is_none_where_only_a_move_up_counts() -> None:
    low, high = np.linspace(0, 1, 500), np.linspace(0.5, 1.5, 500)

    assert number_shift(low, high, only_upwards=True).p < 1e-50
    assert number_shift(high, low, only_upwards=True).p > 0.99
    assert number_shift(high, low).p < 1e-50


def test_a_lone_category_cannot_differ() -> None:
    shift = category_shift({"a": 1000}, {"a": 3})

    assert (shift.psi, shift.p) == (0, 1)


def test_a_new_category_is_found() -> None:
    shift = category_shift({"a": 900, "b": 100}, {"a": 800, "b": 100, "new": 100})

    assert shift.test == "chi-square"
    assert shift.p < 1e-20
    assert shift.psi > 0.4


def test_few_rows_are_tested_exactly() -> None:
    shift = category_shift({"given": 5000}, {"given": 120, "missing": 4})

    assert shift.test == "Fisher"
    assert shift.p == pytest.approx(
        124 * 123 * 122 * 121 / math.prod(range(5121, 5125))
    )


def test_rare_categories_are_tested_together() -> None:
    many = {f"rare {number}": 1 for number in range(40)}

    shift = category_shift(
        {"a": 1000} | many, {"a": 1000} | dict(list(many.items())[:20])
    )

    assert shift.test == "chi-square"
    assert 0.001 < shift.p < 0.05  # 40 of 1,040 against 20 of 1,020


@pytest.mark.parametrize(
    ("a", "b"), [({}, {}), ({"a": 1}, {}), ({}, {"a": 1}), ({"a": 1}, {"a": 0})]
)
def test_nothing_cannot_be_compared(a: dict[str, int], b: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="no rows"):
        category_shift(a, b)


def test_no_numbers_cannot_be_compared() -> None:
    for a, b in (([], [1.0, 2.0]), ([1.0, 2.0], [3.0])):
        with pytest.raises(ValueError, match="no rows"):
            number_shift(np.array(a), np.array(b))


def test_chances_where_nothing_differs_are_even() -> None:
    """The test is a test: one in twenty is below 0.05, of numbers and of categories."""
    rng = np.random.default_rng(1)
    of_numbers, of_names = [], []
    for _ in range(200):
        a, b = rng.normal(size=400), rng.normal(size=300)
        of_numbers.append(number_shift(a, b).p < 0.05)
        c, d = (Counter(map(str, rng.integers(6, size=300).tolist())) for _ in "ab")
        of_names.append(category_shift(c, d).p < 0.05)

    assert 0.02 < np.mean(of_numbers) < 0.08
    assert 0.02 < np.mean(of_names) < 0.08


def test_the_correction_is_holms() -> None:
    assert holm([]) == []
    assert holm([0.2]) == [0.2]
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), max_size=20))
def test_a_correction_keeps_the_order_and_makes_nothing_surer(
    chances: list[float],
) -> None:
    corrected = holm(chances)

    assert all(0 <= p <= q <= 1 for p, q in zip(chances, corrected, strict=True))
    order = sorted(range(len(chances)), key=lambda place: chances[place])
    assert [corrected[place] for place in order] == sorted(corrected)
