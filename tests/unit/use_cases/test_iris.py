"""Iris: logarithms are finite."""

import math

import numpy as np

from ekiben.use_cases.iris import IRIS


def test_the_logarithm_of_nothing_is_that_of_a_very_small_probability() -> None:
    [answer] = IRIS.answer(np.array([[0.0, 0.25, 0.75]]), {})

    assert answer["species"] == "virginica"
    assert answer["log_probabilities"]["setosa"] == math.log(1e-15)
    assert answer["log_probabilities"]["versicolor"] == math.log(0.25)
