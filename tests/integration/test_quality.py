"""The figures that every use case must reach on the public files."""

import time

import pytest
from sklearn.model_selection import cross_val_score

from ekiben.training import fit
from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.iris import IRIS
from tests.models import Trainings

pytestmark = [
    pytest.mark.models,
    pytest.mark.real_data,
    pytest.mark.usefixtures("real_data"),
]


@pytest.mark.parametrize(
    ("name", "metric", "least"),
    [
        ("spam", "f1", 0.94),
        ("spam", "roc_auc", 0.99),
        ("turnover", "roc_auc", 0.985),
        ("topics", "f1_weighted", 0.85),
        ("fraud", "average_precision", 0.85),
    ],
)
def test_a_metric_on_unseen_rows_reaches_what_is_expected(
    name: str, metric: str, least: float, trainings: Trainings
) -> None:
    assert trainings.table(name).card.kind == "real"
    assert trainings.trained(name).evaluation.overall[metric].value >= least


def test_iris_reaches_its_accuracy_over_ten_folds(trainings: Trainings) -> None:
    frame = trainings.table("iris").frame

    scores = cross_val_score(
        IRIS.build(0), IRIS.encoding.from_table(frame), frame["species"].tolist(), cv=10
    )

    assert scores.mean() >= 0.94


@pytest.mark.parametrize("name", [use_case.name for use_case in USE_CASES])
def test_training_again_gives_the_same_version(name: str, trainings: Trainings) -> None:
    first = trainings.trained(name)

    again = fit(
        first.predictor.use_case, trainings.table(name), clock=time.perf_counter
    )

    assert again.evaluation == first.evaluation
    assert again.predictor.decision == first.predictor.decision
    assert again.golden == first.golden
