"""A scaled tree in arrays states what scikit-learn states, to the last bit."""

from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.tree import DecisionTreeClassifier

from ekiben.compiled.artefact import NotCompilable, read_artefact
from ekiben.compiled.tree import compile_tree, load_tree


def fitted(rows: int = 300, classes: int = 3, **parameters: Any) -> Any:
    rng = np.random.default_rng(rows)
    labels = np.arange(rows) % classes
    features = rng.normal(size=(rows, 4)) + labels[:, None]
    tree = DecisionTreeClassifier(random_state=0, **parameters)
    return make_pipeline(MinMaxScaler(), tree).fit(features, labels)


def at_thresholds(pipeline: Any) -> np.ndarray:
    """Return rows that lie on a threshold of the tree, and a last bit off it."""
    (_, scaler), (_, classifier) = pipeline.steps
    rng = np.random.default_rng(1)
    scaled = rng.choice(classifier.tree_.threshold, size=(500, 4))
    on = (scaled - scaler.min_) / scaler.scale_
    return np.concatenate([on, np.nextafter(on, np.inf), np.nextafter(on, -np.inf)])


@pytest.mark.parametrize(
    "pipeline",
    [
        pytest.param(fitted(), id="deep"),
        pytest.param(fitted(classes=2, max_depth=1), id="a-stump"),
        pytest.param(fitted(rows=90, class_weight="balanced"), id="weighted"),
        pytest.param(fitted(min_samples_leaf=200), id="a-single-leaf"),
        pytest.param(fitted(min_samples_leaf=20), id="shares-in-leaves"),
        pytest.param(fitted(max_leaf_nodes=9), id="the-largest-in-a-byte"),
        pytest.param(fitted(max_leaf_nodes=10), id="one-split-more"),
    ],
)
def test_any_row_is_scored_as_the_tree_does(pipeline: Any) -> None:
    rng = np.random.default_rng(2)
    far = [np.full((1, 4), scale) for scale in (0.0, 1e30, -1e30, 1e-30)]
    rows = np.concatenate([rng.normal(2, 3, (500, 4)), at_thresholds(pipeline), *far])

    score = load_tree(read_artefact(compile_tree(pipeline).render()))

    assert np.array_equal(score(rows), pipeline.predict_proba(rows))
    assert np.array_equal(score(rows[:1]), pipeline.predict_proba(rows[:1]))


def test_a_scaler_that_clips_is_not_compiled() -> None:
    pipeline = make_pipeline(MinMaxScaler(clip=True), DecisionTreeClassifier())
    pipeline.fit([[0.0], [1.0]], [0, 1])

    with pytest.raises(NotCompilable, match="clips"):
        compile_tree(pipeline)


def test_a_tree_of_several_outputs_is_not_compiled() -> None:
    pipeline = make_pipeline(MinMaxScaler(), DecisionTreeClassifier())
    pipeline.fit([[0.0], [1.0]], [[0, 1], [1, 0]])

    with pytest.raises(NotCompilable, match="several outputs"):
        compile_tree(pipeline)
