"""Compiling behind the parity gate: files only where both forms agree, else the reason."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.tree import DecisionTreeClassifier

from ekiben.compiled.artefact import Artefact, NotCompilable, pack, unpack
from ekiben.compiled.tree import ARRAYS, compile_tree
from ekiben.compiling import Compilation, compile_estimator
from ekiben.use_cases.catalog import get_use_case
from ekiben.use_cases.use_case import UseCase

IRIS = get_use_case("iris")
ROWS = np.random.default_rng(0).uniform(0.1, 7, size=(300, 4))


@pytest.fixture(scope="module")
def estimator() -> Any:
    labels = np.array(IRIS.classes)[np.digitize(ROWS[:, 2], [2.5, 5.0])]
    return make_pipeline(MinMaxScaler(), DecisionTreeClassifier()).fit(ROWS, labels)


def compiled(use_case: UseCase, estimator: Any) -> Compilation:
    return compile_estimator(use_case, estimator, ROWS, decision={})


def one_threshold_off(pipeline: Any) -> Artefact:
    right = compile_tree(pipeline)
    arrays = unpack(right.files[ARRAYS])
    arrays["threshold"] = arrays["threshold"] + 0.01
    return replace(right, files={ARRAYS: pack(arrays)})


def cut(pipeline: Any) -> Artefact:
    right = compile_tree(pipeline)
    return replace(right, files={ARRAYS: right.files[ARRAYS][:-40]})


def refuses(_: Any) -> Artefact:
    raise NotCompilable("it is made of glass")


def fails(_: Any) -> Artefact:
    raise AttributeError("no tree_")


def test_where_both_agree_there_are_files_and_a_scorer_made_of_them(
    estimator: Any,
) -> None:
    done = compiled(IRIS, estimator)

    assert done.verdict is not None
    assert (done.verdict.serves, done.verdict.form) == ("compiled", "tree")
    assert (done.verdict.rows, done.verdict.label_mismatches) == (300, 0)
    assert done.verdict.hard_rows > 600
    assert set(done.files) == {"compiled/form.json", "compiled/tree.npz"}
    assert done.score is not None
    assert np.array_equal(done.score(ROWS), estimator.predict_proba(ROWS))


@pytest.mark.parametrize(
    ("compiler", "form", "reason"),
    [
        pytest.param(one_threshold_off, "tree", "labelled differently", id="wrong"),
        pytest.param(cut, "tree", "cannot be read", id="unreadable"),
        pytest.param(refuses, "", "it is made of glass", id="not-compilable"),
        pytest.param(fails, "", "AttributeError: no tree_", id="fails"),
    ],
)
def test_else_the_estimator_serves_and_the_verdict_says_why(
    estimator: Any, compiler: Any, form: str, reason: str
) -> None:
    done = compiled(replace(IRIS, compile=compiler), estimator)

    assert done.verdict is not None
    assert (done.verdict.serves, done.verdict.form) == ("native", form)
    assert reason in done.verdict.reason
    assert done.files == {}
    assert done.score is None


def test_how_far_they_differ_is_kept(estimator: Any) -> None:
    done = compiled(replace(IRIS, compile=one_threshold_off), estimator)

    assert done.verdict is not None
    assert done.verdict.label_mismatches > 0
    assert done.verdict.largest_difference == 1.0
    assert 0 < done.verdict.share_over < 1


def test_a_use_case_that_does_not_compile_has_no_verdict(estimator: Any) -> None:
    assert compiled(replace(IRIS, compile=None), estimator) == Compilation()
