"""The metrics are scikit-learn's, the intervals a bootstrap's."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from ekiben.evaluation import METRICS, Outcome, evaluate
from ekiben.schemas.model_card import Evaluation

STATED = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.7000001, 0.99, 1.0])
EXPECTED: dict[str, Callable[[Any, Any, Any], float]] = {
    "accuracy": lambda y, a, p: metrics.accuracy_score(y, a),
    "precision": lambda y, a, p: metrics.precision_score(y, a, zero_division=np.nan),
    "recall": lambda y, a, p: metrics.recall_score(y, a),
    "false_positive_rate": lambda y, a, p: 1 - metrics.recall_score(y, a, pos_label=0),
    "f1": lambda y, a, p: metrics.f1_score(y, a),
    "f1_weighted": lambda y, a, p: metrics.f1_score(y, a, average="weighted"),
    "f1_macro": lambda y, a, p: metrics.f1_score(y, a, average="macro"),
    "roc_auc": lambda y, a, p: metrics.roc_auc_score(y, p),
    "average_precision": lambda y, a, p: metrics.average_precision_score(y, p),
    "log_loss": lambda y, a, p: metrics.log_loss(y, p),
    "brier": lambda y, a, p: metrics.brier_score_loss(y, p),
}


def outcome_of(labels: list[int], stated: list[float]) -> Outcome:
    positive = np.array(stated)
    return Outcome(
        np.array(labels),
        (positive >= 0.5).astype(np.int64),
        np.column_stack((1 - positive, positive)),
    )


def evaluated(**changed: Any) -> Evaluation:
    rng = np.random.default_rng(5)
    labels = np.arange(200) % 2 == 1
    stated = np.clip(0.5 + np.where(labels, 0.2, -0.2) + rng.normal(0, 0.2, 200), 0, 1)
    facts = {
        "labels": labels,
        "answers": stated >= 0.5,
        "probabilities": np.column_stack((1 - stated, stated)),
        "classes": (False, True),
        "metrics": ("roc_auc", "f1"),
        "slices": {},
        "rng": np.random.default_rng(0),
    }
    return evaluate(**(facts | changed))


def test_every_metric_is_compared() -> None:
    assert set(EXPECTED) == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
@given(pairs=st.lists(st.tuples(st.integers(0, 1), STATED), min_size=2, max_size=30))
def test_a_metric_is_that_of_scikit_learn(
    name: str, pairs: list[tuple[int, float]]
) -> None:
    labels, stated = [0, 1, *(y for y, _ in pairs)], [0.3, 0.6, *(p for _, p in pairs)]
    outcome = outcome_of(labels, stated)

    [figure] = METRICS[name](outcome, np.ones((1, len(labels))))

    expected = EXPECTED[name](labels, outcome.answers, stated)
    assert figure == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", METRICS)
def test_a_row_with_weight_two_counts_as_two_rows(name: str) -> None:
    labels, stated = [0, 1, 1, 0, 1], [0.2, 0.4, 0.9, 0.7, 0.7]
    twice = outcome_of([*labels, 1], [*stated, 0.4])

    weighted = METRICS[name](outcome_of(labels, stated), np.array([[1, 2, 1, 1, 1.0]]))

    assert weighted == pytest.approx(METRICS[name](twice, np.ones((1, 6))))


def test_the_interval_holds_the_value_and_narrows_with_more_rows() -> None:
    few, many = (
        evaluated(
            labels=np.tile([0, 1, 1], times),
            answers=np.tile([0, 1, 0], times),
            probabilities=np.tile([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], (times, 1)),
            classes=(0, 1),
            metrics=("accuracy",),
        ).overall["accuracy"]
        for times in (10, 1000)
    )

    assert few.low < few.value < few.high
    assert many.low < many.value < many.high
    assert few.value == many.value
    assert many.high - many.low < (few.high - few.low) / 5


def test_the_interval_of_a_share_is_that_of_the_binomial() -> None:
    found = evaluated(
        labels=np.ones(1000, int),
        answers=np.arange(1000) < 800,
        classes=(0, 1),
        probabilities=np.full((1000, 2), 0.5),
        metrics=("accuracy",),
    ).overall["accuracy"]

    error = 1.96 * (0.8 * 0.2 / 1000) ** 0.5
    assert found.low == pytest.approx(0.8 - error, abs=0.004)
    assert found.high == pytest.approx(0.8 + error, abs=0.004)


def test_the_same_generator_gives_the_same_evaluation() -> None:
    assert evaluated() == evaluated()
    assert evaluated() != evaluated(rng=np.random.default_rng(1))


def test_each_class_is_measured_against_the_rest() -> None:
    found = evaluated(
        labels=["a", "b", "c", "a"],
        answers=["a", "b", "b", "b"],
        probabilities=np.full((4, 3), 1 / 3),
        classes=("a", "b", "c"),
        metrics=("accuracy",),
    ).per_class

    assert found["a"]["recall"].value == 0.5
    assert found["b"]["precision"].value == pytest.approx(1 / 3)
    assert found["c"]["recall"].value == 0.0
    assert "precision" not in found["c"]


def test_truth_values_are_named_as_in_json() -> None:
    assert set(evaluated().per_class) == {"false", "true"}


def test_a_slice_of_one_class_leaves_out_what_is_undefined() -> None:
    groups = np.where(np.arange(200) % 2 == 1, "yes", "no")

    found = evaluated(
        slices={"side": groups}, metrics=("roc_auc", "accuracy")
    ).per_slice

    assert found["side"]["yes"].rows == 100
    assert set(found["side"]["yes"].metrics) == {"accuracy"}


def test_a_small_slice_is_counted_but_not_measured() -> None:
    groups = np.where(np.arange(200) < 19, "small", "large")

    found = evaluated(slices={"size": groups}).per_slice["size"]

    assert found["small"].rows == 19
    assert found["small"].metrics == {}
    assert set(found["large"].metrics) == {"roc_auc", "f1"}


def test_an_evaluation_is_strict_json() -> None:
    groups = np.where(np.arange(200) % 2 == 1, "yes", "no")

    found = evaluated(slices={"side": groups}, metrics=tuple(METRICS))

    json.dumps(found.model_dump(), allow_nan=False)


def test_many_rows_are_resampled_in_parts() -> None:
    labels = np.arange(20_000) % 2

    found = evaluated(
        labels=labels,
        answers=labels,
        probabilities=np.eye(2)[labels],
        classes=(0, 1),
        metrics=("accuracy",),
    )

    assert found.overall["accuracy"].low == 1.0
