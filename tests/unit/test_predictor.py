"""A predictor's columns, and what it refuses from a model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from ekiben.errors import BatchShapeMismatch
from ekiben.predictor import Predictor, scorer_of
from ekiben.use_cases.catalog import get_use_case
from ekiben.use_cases.use_case import Floats, UseCase

IRIS = get_use_case("iris")


@pytest.fixture
def estimator() -> DummyClassifier:
    labels = ["setosa"] * 5 + ["versicolor"] * 3 + ["virginica"] * 2
    return DummyClassifier(strategy="prior").fit(np.zeros((10, 4)), labels)


def plain(use_case: UseCase, **changes: Any) -> UseCase:
    return replace(use_case, scorer=lambda one: one.predict_proba, **changes)


def test_columns_follow_the_use_case_whatever_order_scikit_learn_has(
    estimator: DummyClassifier,
) -> None:
    turned = plain(IRIS, classes=("virginica", "setosa", "versicolor"))

    scored = scorer_of(turned, estimator)(np.zeros((1, 4)))

    assert scored.tolist() == [[0.2, 0.5, 0.3]]


def test_an_estimator_of_other_classes_is_refused(estimator: DummyClassifier) -> None:
    with pytest.raises(ValueError, match="classes"):
        scorer_of(plain(IRIS, classes=("setosa", "rose", "virginica")), estimator)


@pytest.mark.parametrize(
    "scored",
    [
        pytest.param(np.zeros((2, 3)), id="a-row-missing"),
        pytest.param(np.zeros((4, 3)), id="a-row-too-many"),
        pytest.param(np.zeros((3, 2)), id="a-class-missing"),
        pytest.param(np.full((3, 3), np.nan), id="nan"),
        pytest.param(np.full((3, 3), np.inf), id="infinity"),
    ],
)
def test_answers_of_another_shape_or_that_are_no_numbers_are_refused(
    scored: Floats,
) -> None:
    predictor = Predictor(IRIS, lambda _: scored, {}, "iris:test")

    with pytest.raises(BatchShapeMismatch):
        predictor.predict_raw([IRIS.examples[0]] * 3)
