"""Fraud: the correction of the prior, and its decision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekiben.use_cases.fraud import FRAUD, REAL_PRIOR, at_prior

PRIORS = st.floats(1e-4, 0.9999)


def two(probability: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array([[1 - probability, probability]])


@given(st.floats(0, 1), PRIORS)
def test_at_the_same_prior_nothing_changes(probability: float, prior: float) -> None:
    decision = {"training_prior": prior, "real_prior": prior}

    moved = at_prior(two(probability), decision)

    assert moved == pytest.approx(two(probability), abs=1e-12)


def test_a_model_that_knows_only_the_training_prior_states_the_real_one() -> None:
    decision = {"training_prior": 0.28, "real_prior": REAL_PRIOR}

    moved = at_prior(two(0.28), decision)

    assert moved[0, 1] == pytest.approx(REAL_PRIOR)


def test_bayes_rule_by_hand() -> None:
    decision = {"training_prior": 0.5, "real_prior": 0.1}

    moved = at_prior(two(0.9), decision)

    assert moved[0, 1] == pytest.approx(0.9 * 0.1 / (0.9 * 0.1 + 0.1 * 0.9))


@given(st.floats(0, 1), st.floats(0, 1), PRIORS, PRIORS)
def test_the_order_of_rows_is_kept(a: float, b: float, old: float, new: float) -> None:
    decision = {"training_prior": old, "real_prior": new}
    low, high = sorted((a, b))

    moved = at_prior(np.concatenate((two(low), two(high))), decision)[:, 1]

    assert 0 <= moved[0] <= moved[1] + 1e-15 <= 1 + 1e-15


def test_the_decision_is_made_at_the_real_prior() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    probabilities = np.concatenate([two(p) for p in (0.0, 0.1, 0.2, 0.8, 1.0)])

    decision = FRAUD.decide(labels, probabilities, np.array([0, 0, 0, 1]))

    assert decision["training_prior"] == 0.25
    assert decision["real_prior"] == REAL_PRIOR
    stated = at_prior(probabilities, decision)[:, 1]
    assert stated[2] < decision["threshold"] < stated[3]
