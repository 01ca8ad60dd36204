"""Fraud: plain cases, extreme numbers, and the real prior."""

import numpy as np
import pytest

from ekiben.predictor import Predictor
from ekiben.use_cases.fraud import FRAUD, REAL_PRIOR
from tests.models import Trainings, probabilities

pytestmark = pytest.mark.models


@pytest.fixture
def predictor(trainings: Trainings) -> Predictor:
    return trainings.predictor("fraud")


def test_plain_cases_are_right(predictor: Predictor) -> None:
    ordinary, odd = predictor.predict_raw(FRAUD.examples)

    assert ordinary["is_fraud"] is False
    assert odd["is_fraud"] is True


@pytest.mark.parametrize("number", [1e300, -1e300, 1.7e308, 1e-320, 0.0])
def test_extreme_numbers_are_answered(predictor: Predictor, number: float) -> None:
    wild = {f"v{place}": number for place in range(1, 29)}
    wild |= {"time": abs(number), "amount": abs(number)}

    [answer] = predictor.predict_raw([wild])

    assert 0 <= answer["probability"] <= 1


def test_the_threshold_is_a_probability(predictor: Predictor) -> None:
    assert 0 <= predictor.decision["threshold"] <= 1


def test_genuine_transactions_are_stated_far_below_the_training_prior(
    predictor: Predictor, trainings: Trainings
) -> None:
    part = trainings.test_part("fraud")
    genuine = FRAUD.encoding.rows_of(part[part["is_fraud"] == 0])

    stated = probabilities(predictor.predict_raw(genuine))

    assert np.mean(stated) < 10 * REAL_PRIOR
    assert predictor.decision["training_prior"] > 10 * REAL_PRIOR


def test_moving_towards_a_fraud_makes_a_transaction_more_like_one(
    predictor: Predictor,
) -> None:
    ordinary, odd = FRAUD.examples
    steps = [
        {name: ordinary[name] + share * (odd[name] - ordinary[name]) for name in odd}
        for share in (0.0, 0.5, 1.0)
    ]

    stated = probabilities(predictor.predict_raw(steps))

    assert stated == sorted(stated)
    assert stated[0] < stated[-1]
