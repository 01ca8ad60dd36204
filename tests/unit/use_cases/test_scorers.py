"""The fast scorers state what `predict_proba` states."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from ekiben.compiled.forest import compile_forest, load_forest
from ekiben.compiled.linear_text import linear_text_scorer
from ekiben.use_cases.catalog import USE_CASES
from tests.models import Trainings

TEXTS = ["tea now", "green tea tea tea", "free prize", "free FREE free now", "é über"]


def linear(classes: int) -> Any:
    labels = [number % classes for number in range(len(TEXTS))]
    pipeline = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression())
    return pipeline.fit(TEXTS, labels)


LINEAR = {classes: linear(classes) for classes in (2, 3)}


def forest(rows: int, **parameters: Any) -> Any:
    rng = np.random.default_rng(rows)
    labels = np.arange(rows) % 2
    built = RandomForestClassifier(n_estimators=7, random_state=0, **parameters)
    return built.fit(rng.normal(size=(rows, 3)) + labels[:, None], labels)


@pytest.mark.models
@pytest.mark.parametrize("name", [use_case.name for use_case in USE_CASES])
def test_the_whole_test_part_is_scored_as_predict_proba_does(
    name: str, trainings: Trainings
) -> None:
    predictor, part = trainings.predictor(name), trainings.test_part(name)
    encoded = predictor.use_case.encoding.from_table(part)

    expected = trainings.trained(name).estimator.predict_proba(encoded)

    assert np.abs(predictor.score(encoded) - expected).max() <= 1e-12


@pytest.mark.parametrize("classes", LINEAR)
@given(text=st.text() | st.text(alphabet="tea FREE\n").map(lambda t: t * 3))
def test_any_text_is_scored_as_predict_proba_does(classes: int, text: str) -> None:
    pipeline = LINEAR[classes]
    batch = [text, *TEXTS]

    scored = linear_text_scorer(pipeline)(batch)

    assert np.abs(scored - pipeline.predict_proba(batch)).max() <= 1e-12


@pytest.mark.parametrize("classes", LINEAR)
def test_texts_without_any_known_term_are_scored(classes: int) -> None:
    pipeline, batch = LINEAR[classes], ["?", "unheard"]

    scored = linear_text_scorer(pipeline)(batch)

    assert np.abs(scored - pipeline.predict_proba(batch)).max() <= 1e-12


@pytest.mark.parametrize(
    "vectorizer",
    [TfidfVectorizer(), TfidfVectorizer(sublinear_tf=True, norm="l1")],
    ids=["plain-counts", "l1"],
)
def test_other_weights_of_terms_are_refused(vectorizer: TfidfVectorizer) -> None:
    pipeline = make_pipeline(vectorizer, LogisticRegression())
    pipeline.fit(["green tea", "black tea"], [0, 1])

    with pytest.raises(ValueError, match="sublinear_tf=True"):
        linear_text_scorer(pipeline)


@pytest.mark.parametrize(
    "fitted",
    [
        pytest.param(forest(400), id="deep"),
        pytest.param(forest(4, max_depth=1), id="stumps-and-single-leaves"),
        pytest.param(forest(90, class_weight="balanced"), id="weighted-classes"),
    ],
)
def test_any_row_is_scored_as_the_forest_does(fitted: Any) -> None:
    rng = np.random.default_rng(3)
    thresholds = np.concatenate([one.tree_.threshold for one in fitted.estimators_])
    rows = np.concatenate(
        [
            rng.normal(scale=3, size=(500, 3)),
            rng.choice(thresholds, size=(500, 3)),  # equal to a threshold
            np.full((1, 3), 1e30),
            np.full((1, 3), -1e30),
            np.full((1, 3), 1e-30),
            np.zeros((1, 3)),
        ]
    )

    scored = load_forest(compile_forest(fitted))(rows)

    assert np.abs(scored - fitted.predict_proba(rows)).max() <= 1e-12
