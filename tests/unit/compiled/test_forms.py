"""Forms are found by name, and what does not belong to one is refused in words."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.tree import DecisionTreeClassifier

from ekiben.compiled.artefact import Artefact, Malformed, pack
from ekiben.compiled.forms import load_scorer
from ekiben.compiled.tree import ARRAYS, compile_tree

CLASSES = ("a", "b")


def artefact() -> Artefact:
    pipeline = make_pipeline(MinMaxScaler(), DecisionTreeClassifier())
    return compile_tree(pipeline.fit([[0.0], [1.0]], ["a", "b"]))


def test_columns_follow_the_classes_that_are_asked_for() -> None:
    rows = np.array([[0.0], [1.0]])

    assert load_scorer(artefact(), CLASSES)(rows).tolist() == [[1, 0], [0, 1]]
    assert load_scorer(artefact(), CLASSES[::-1])(rows).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        pytest.param({"form": "later"}, "no form 'later' in this Ekiben", id="form"),
        pytest.param({"files": {}}, "KeyError", id="no-file"),
        pytest.param({"files": {ARRAYS: b"PK"}}, "cannot be read", id="cut"),
        pytest.param(
            {"files": {ARRAYS: pack({"scale": np.ones(1)})}}, "KeyError", id="an-array"
        ),
        pytest.param({"classes": ("a", "c")}, "classes", id="other-classes"),
        pytest.param({"form": "lightgbm"}, "KeyError", id="another-form's-files"),
        pytest.param(
            {"form": "lightgbm", "files": {"model.txt": b"\xff"}},
            "UnicodeDecodeError",
            id="not-text",
        ),
    ],
)
def test_what_is_not_whole_is_refused(spoilt: dict[str, object], told: str) -> None:
    with pytest.raises(Malformed, match=told):
        load_scorer(replace(artefact(), **spoilt), CLASSES)  # type: ignore[arg-type]
