"""What holds for the answers of every trained use case."""

import numpy as np
import pytest

from ekiben.predictor import same
from ekiben.use_cases.catalog import USE_CASES
from tests.models import Trainings

pytestmark = [
    pytest.mark.models,
    pytest.mark.parametrize("name", [use_case.name for use_case in USE_CASES]),
]


def test_neighbours_in_a_batch_change_no_answer(
    name: str, trainings: Trainings
) -> None:
    predictor, rows = trainings.predictor(name), trainings.test_rows(name, most=60)

    together = predictor.predict_raw(rows)
    alone = [predictor.predict_raw([row])[0] for row in rows]

    assert all(same(one, other) for one, other in zip(alone, together, strict=True))


def test_answers_keep_the_order_of_their_rows(name: str, trainings: Trainings) -> None:
    predictor, rows = trainings.predictor(name), trainings.test_rows(name, most=60)
    order = np.random.default_rng(0).permutation(len(rows)).tolist()

    answers = predictor.predict_raw(rows)
    shuffled = predictor.predict_raw([rows[place] for place in order])

    expected = [answers[place] for place in order]
    assert all(same(one, other) for one, other in zip(expected, shuffled, strict=True))


def test_the_order_of_fields_does_not_matter(name: str, trainings: Trainings) -> None:
    predictor, rows = trainings.predictor(name), trainings.test_rows(name, most=60)

    turned = [dict(reversed(row.items())) for row in rows]

    assert predictor.predict_raw(turned) == predictor.predict_raw(rows)


def test_golden_rows_are_answered_as_they_were(name: str, trainings: Trainings) -> None:
    golden = trainings.trained(name).golden

    answers = trainings.predictor(name).predict_raw([one.row for one in golden])

    assert answers == [one.prediction for one in golden]


def test_answers_are_valid_predictions(name: str, trainings: Trainings) -> None:
    predictor = trainings.predictor(name)

    for answer in predictor.predict_raw(trainings.test_rows(name)):
        predictor.use_case.prediction.model_validate(
            answer | {"prediction_id": "an id", "model": "a tag"}, strict=True
        )
