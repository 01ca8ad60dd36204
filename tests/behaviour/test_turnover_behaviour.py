"""Turnover: directions that an employer expects, and plain cases."""

from typing import Any

import numpy as np
import pytest

from ekiben.predictor import Predictor
from tests.models import Trainings, probabilities

pytestmark = pytest.mark.models

CONTENT = {
    "satisfaction_level": 0.8,
    "last_evaluation": 0.7,
    "number_project": 4,
    "average_monthly_hours": 200,
    "time_spend_company": 3,
    "work_accident": False,
    "promotion_last_5years": False,
    "department": "technical",
    "salary": "medium",
}
WORN_OUT = CONTENT | {
    "satisfaction_level": 0.1,
    "last_evaluation": 0.9,
    "number_project": 6,
    "average_monthly_hours": 280,
    "time_spend_company": 4,
    "salary": "low",
}


@pytest.fixture
def predictor(trainings: Trainings) -> Predictor:
    return trainings.predictor("turnover")


def mean(predictor: Predictor, rows: list[dict[str, Any]]) -> float:
    return float(np.mean(probabilities(predictor.predict_raw(rows))))


def test_plain_cases_are_right(predictor: Predictor) -> None:
    content, worn_out = predictor.predict_raw([CONTENT, WORN_OUT])

    assert content["leaves"] is False
    assert worn_out["leaves"] is True


def test_less_satisfied_people_do_not_leave_less_on_average(
    predictor: Predictor, trainings: Trainings
) -> None:
    rows = trainings.test_rows("turnover")
    less = [
        row | {"satisfaction_level": row["satisfaction_level"] * 0.25} for row in rows
    ]

    assert mean(predictor, less) >= mean(predictor, rows)


def test_better_paid_people_do_not_leave_more_on_average(
    predictor: Predictor, trainings: Trainings
) -> None:
    rows = trainings.test_rows("turnover")

    means = [
        mean(predictor, [row | {"salary": salary} for row in rows])
        for salary in ("low", "medium", "high")
    ]

    assert means == sorted(means, reverse=True)


def test_whole_numbers_may_be_sent_with_or_without_a_point(
    predictor: Predictor,
) -> None:
    without = predictor.predict_raw([CONTENT | {"average_monthly_hours": 200}])

    assert without == predictor.predict_raw(
        [CONTENT | {"average_monthly_hours": 200.0}]
    )


def test_the_department_alone_decides_for_nobody_clear(predictor: Predictor) -> None:
    for department in ("IT", "hr", "sales", "management", "support"):
        answers = predictor.predict_raw(
            [row | {"department": department} for row in (CONTENT, WORN_OUT)]
        )
        assert [answer["leaves"] for answer in answers] == [False, True]


def test_salary_and_department_are_categories_to_the_model(
    trainings: Trainings,
) -> None:
    estimator: Any = trainings.trained("turnover").estimator
    splits = estimator.booster_.trees_to_dataframe().dropna(subset=["split_feature"])
    categorical = splits[splits["decision_type"] == "=="]["split_feature"]

    assert set(categorical) == {"Column_7", "Column_8"}
