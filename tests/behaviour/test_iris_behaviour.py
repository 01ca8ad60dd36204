"""Iris: plain flowers, and the edges of what may be sent."""

import itertools

import pytest

from ekiben.predictor import Predictor
from tests.models import Trainings

pytestmark = pytest.mark.models

FIELDS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
PLAIN = {
    "setosa": (5.1, 3.5, 1.4, 0.2),
    "versicolor": (5.7, 2.8, 4.1, 1.3),
    "virginica": (6.7, 3.0, 5.8, 2.3),
}


@pytest.fixture
def predictor(trainings: Trainings) -> Predictor:
    return trainings.predictor("iris")


@pytest.mark.parametrize(("species", "measures"), PLAIN.items())
def test_plain_flowers_are_named(
    predictor: Predictor, species: str, measures: tuple[float, ...]
) -> None:
    [answer] = predictor.predict_raw([dict(zip(FIELDS, measures, strict=True))])

    assert answer["species"] == species
    assert answer["probabilities"][species] > 0.9


def test_a_millimetre_on_the_sepal_names_no_other_species(predictor: Predictor) -> None:
    for species, (length, width, *petal) in PLAIN.items():
        for change in (-0.1, 0.1):
            measures = (length + change, width + change, *petal)
            row = dict(zip(FIELDS, measures, strict=True))
            assert predictor.predict_raw([row])[0]["species"] == species


def test_the_smallest_and_largest_flowers_are_answered(predictor: Predictor) -> None:
    rows = [
        dict(zip(FIELDS, measures, strict=True))
        for measures in itertools.product((5e-324, 30.0), repeat=4)
    ]

    answers = predictor.predict_raw(rows)

    for answer in answers:
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
        assert all(-35 < one <= 0 for one in answer["log_probabilities"].values())
