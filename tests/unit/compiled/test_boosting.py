"""LightGBM's classifiers, by their text, state what they state themselves."""

from typing import Any

import numpy as np
import pytest
from lightgbm import LGBMClassifier

from ekiben.compiled.artefact import Malformed, NotCompilable, read_artefact
from ekiben.compiled.boosting import compile_boosting, load_boosting
from ekiben.compiled.lightgbm_library import Booster

ROWS = np.random.default_rng(0).normal(size=(400, 3))
ROWS[:, 2] = np.arange(400) % 7


def fitted(classes: int, **parameters: Any) -> Any:
    labels = np.digitize(ROWS[:, 0] + ROWS[:, 1], np.linspace(-1, 1, classes - 1))
    asked = {"n_estimators": 10, "n_jobs": 1, "verbosity": -1, **parameters}
    return LGBMClassifier(**asked).fit(ROWS, labels)


@pytest.mark.parametrize(
    "classifier",
    [
        pytest.param(fitted(2), id="two-classes"),
        pytest.param(fitted(4), id="four-classes"),
        pytest.param(fitted(2, categorical_column=[2]), id="a-category"),
    ],
)
def test_any_row_is_scored_as_the_classifier_does(classifier: Any) -> None:
    unseen = ROWS + np.array([0.0, 0.0, 50.0])
    missing = np.where(ROWS > 1, np.nan, ROWS)
    rows = np.concatenate([ROWS, ROWS * 3, unseen, missing])

    score = load_boosting(read_artefact(compile_boosting(classifier).render()))

    assert np.array_equal(score(rows), classifier.predict_proba(rows))
    assert np.array_equal(score(rows[:1]), classifier.predict_proba(rows[:1]))


def test_an_objective_of_ones_own_is_not_compiled() -> None:
    def objective(labels: Any, scores: Any) -> Any:
        return scores - labels, np.ones_like(scores)

    with pytest.raises(NotCompilable, match="objective"):
        compile_boosting(fitted(2, objective=objective))


def test_what_the_library_does_not_read_is_refused() -> None:
    with pytest.raises(Malformed, match="number of classes"):
        Booster("no model at all")
