"""Thresholds and answers of the use cases that decide between no and yes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekiben.use_cases.binary import (
    best_f1_threshold,
    cheapest_threshold,
    flag_answers,
)

TRUTHS = np.array([False, False, True, False, True, True])
STATED = np.array([0.1, 0.2, 0.3, 0.4, 0.8, 0.9])


def test_the_probability_at_the_threshold_is_a_yes() -> None:
    answers = flag_answers("leaves")(
        np.array([[0.5, 0.5], [0.51, 0.49]]), {"threshold": 0.5}
    )

    assert answers == [
        {"leaves": True, "probability": 0.5, "threshold": 0.5},
        {"leaves": False, "probability": 0.49, "threshold": 0.5},
    ]


def test_the_best_f1_is_halfway_between_neighbours() -> None:
    assert best_f1_threshold(TRUTHS, STATED) == pytest.approx(0.25)


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2).filter(
        lambda pairs: {truth for truth, _ in pairs} == {False, True}
    )
)
def test_no_probability_would_be_a_better_threshold(
    pairs: list[tuple[bool, float]],
) -> None:
    truths, stated = (np.array(column) for column in zip(*pairs, strict=True))
    best = best_f1_threshold(truths, stated)

    def f1(cut: float) -> float:
        hits = (truths & (stated >= cut)).sum()
        return float(2 * hits / ((stated >= cut).sum() + truths.sum()))

    above_all_but_the_least = np.unique(stated)[1:]
    assert 0 <= best <= 1
    assert all(f1(best) >= f1(cut) - 1e-12 for cut in above_all_but_the_least)


@pytest.mark.parametrize(
    ("miss", "threshold"),
    [
        pytest.param(100.0, 0.25, id="misses-are-dear"),
        pytest.param(0.1, 0.6, id="misses-are-cheap"),
    ],
)
def test_the_cheapest_threshold_follows_the_price_of_a_miss(
    miss: float, threshold: float
) -> None:
    found = cheapest_threshold(TRUTHS, STATED, prior=0.5, miss=miss)

    assert found == pytest.approx(threshold)


def test_a_model_that_tells_nothing_apart_still_has_a_threshold() -> None:
    assert best_f1_threshold(TRUTHS, np.full(6, 0.3)) == 0.3
