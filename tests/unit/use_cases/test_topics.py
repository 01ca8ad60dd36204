"""Topics: when the answer is *other*."""

import numpy as np
import pytest

from ekiben.use_cases.topics import CLASSES, THRESHOLDS, TOPICS

UNSURE = np.array([[0.4, 0.3, 0.2, 0.1]])


@pytest.mark.parametrize(
    ("threshold", "topic"),
    [
        pytest.param(0.4, "computer-vision", id="at-the-threshold"),
        pytest.param(0.41, "other", id="below-it"),
    ],
)
def test_below_the_threshold_the_topic_is_other(threshold: float, topic: str) -> None:
    [answer] = TOPICS.answer(UNSURE, {"threshold": threshold})

    assert answer["topic"] == topic
    assert answer["probabilities"]["computer-vision"] == 0.4


def test_without_gain_nothing_is_abstained_from() -> None:
    labels = np.array(CLASSES)

    decision = TOPICS.decide(labels, np.eye(4) * 0.9 + 0.025, labels)

    assert decision == {"threshold": THRESHOLDS[0]}


def test_the_threshold_makes_unsure_rows_other_where_that_is_right() -> None:
    labels = np.array(["computer-vision", "other", "other"])
    probabilities = np.array([[0.9, 0.1, 0, 0], [0.45, 0.3, 0.1, 0.15]])[[0, 1, 1]]

    decision = TOPICS.decide(labels, probabilities, labels)

    assert 0.45 < decision["threshold"] <= 0.9
