"""The metrics by name: each takes weights of many resamples at once.

Every one equals scikit-learn's of the same meaning; a test holds them to it. They are
written anew because 500 calls of scikit-learn's for each figure would take minutes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    """What was true and what was answered: class numbers, and stated probabilities.

    `probabilities` has a column per class; with two classes, 1 is the positive one.
    """

    labels: Integers
    answers: Integers
    probabilities: Floats

    def of(self, rows: NDArray[np.bool_]) -> "Outcome":
        """Return the outcome of some rows."""
        return Outcome(self.labels[rows], self.answers[rows], self.probabilities[rows])

    def against_rest(self, number: int) -> "Outcome":
        """Return the outcome with class *number* as the positive one of two."""
        stated = self.probabilities[:, number]
        return Outcome(
            (self.labels == number).astype(np.int64),
            (self.answers == number).astype(np.int64),
            np.column_stack((1.0 - stated, stated)),
        )


Measure = Callable[[Outcome, Floats], Floats]
"""(outcome of n rows, weights of shape (resamples, n)) to a figure per resample; NaN
where it is not defined."""


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Divide; NaN where *whole* is 0."""
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _mean(figures: Floats, weights: Floats) -> Floats:
    return _ratio(weights @ figures, weights.sum(axis=1))


def accuracy(outcome: Outcome, weights: Floats) -> Floats:
    """Share of rows with the right answer."""
    right = (outcome.labels == outcome.answers).astype(np.float64)
    return _mean(right, weights)


def precision(outcome: Outcome, weights: Floats) -> Floats:
    """Share of positive answers that are right."""
    hits, alarms, _ = _counts(outcome, weights)
    return _ratio(hits, hits + alarms)


def recall(outcome: Outcome, weights: Floats) -> Floats:
    """Share of positive rows that are found."""
    hits, _, misses = _counts(outcome, weights)
    return _ratio(hits, hits + misses)


def false_positive_rate(outcome: Outcome, weights: Floats) -> Floats:
    """Share of negative rows that are answered positive; whatever the prior."""
    _, alarms, _ = _counts(outcome, weights)
    return _ratio(alarms, weights @ (outcome.labels == 0).astype(np.float64))


def f1(outcome: Outcome, weights: Floats) -> Floats:
    """Harmonic mean of precision and recall."""
    hits, alarms, misses = _counts(outcome, weights)
    return _ratio(2 * hits, 2 * hits + alarms + misses)


def f1_weighted(outcome: Outcome, weights: Floats) -> Floats:
    """Mean F1 of the classes, each weighted by its rows."""
    scores, rows = _f1_of_classes(outcome, weights)
    return _ratio((scores * rows).sum(axis=0), rows.sum(axis=0))


def f1_macro(outcome: Outcome, weights: Floats) -> Floats:
    """Mean F1 of the classes that occur among labels or answers."""
    scores, _ = _f1_of_classes(outcome, weights, absent=np.nan)
    return np.asarray(np.nanmean(scores, axis=0))


def roc_auc(outcome: Outcome, weights: Floats) -> Floats:
    """Chance that a positive row has a larger probability than a negative one."""
    positive, negative = _by_probability(outcome, weights)
    below = np.cumsum(negative, axis=1) - negative
    won = (positive * (below + negative / 2)).sum(axis=1)
    return _ratio(won, positive.sum(axis=1) * negative.sum(axis=1))


def average_precision(outcome: Outcome, weights: Floats) -> Floats:
    """Precision at each probability that occurs, weighted by the recall it adds."""
    positive, negative = _by_probability(outcome, weights)
    hits = np.cumsum(positive[:, ::-1], axis=1)[:, ::-1]
    alarms = np.cumsum(negative[:, ::-1], axis=1)[:, ::-1]
    precisions = np.nan_to_num(_ratio(hits, hits + alarms))
    return _ratio((positive * precisions).sum(axis=1), positive.sum(axis=1))


def log_loss(outcome: Outcome, weights: Floats) -> Floats:
    """Mean negative logarithm of the true class's probability, which counts as 2.2e-16 at least."""
    rows = np.arange(len(outcome.labels))
    smallest = np.finfo(np.float64).eps
    stated = outcome.probabilities[rows, outcome.labels].clip(smallest, 1 - smallest)
    return _mean(-np.log(stated), weights)


def brier(outcome: Outcome, weights: Floats) -> Floats:
    """Mean squared difference of the positive class's probability and 0 or 1."""
    squares = (outcome.probabilities[:, 1] - outcome.labels) ** 2
    return _mean(squares, weights)


METRICS: Mapping[str, Measure] = {
    measure.__name__: measure
    for measure in (
        accuracy,
        precision,
        recall,
        false_positive_rate,
        f1,
        f1_weighted,
        f1_macro,
        roc_auc,
        average_precision,
        log_loss,
        brier,
    )
}

SMALLER_IS_BETTER = frozenset({"false_positive_rate", "log_loss", "brier"})
OF_PROBABILITIES = frozenset({"log_loss", "brier"})
"""Scores of the stated probabilities themselves, whatever is answered."""


def _counts(outcome: Outcome, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Return hits, false alarms and misses of the positive class."""
    is_positive, said_positive = outcome.labels == 1, outcome.answers == 1
    kinds = (
        is_positive & said_positive,
        ~is_positive & said_positive,
        is_positive & ~said_positive,
    )
    hits, alarms, misses = (weights @ kind.astype(np.float64) for kind in kinds)
    return hits, alarms, misses


def _f1_of_classes(
    outcome: Outcome, weights: Floats, absent: float = 0.0
) -> tuple[Floats, Floats]:
    """Return F1 and rows, each of shape (classes, resamples); *absent* where undefined."""
    ones = [outcome.against_rest(c) for c in range(outcome.probabilities.shape[1])]
    scores = np.array([f1(one, weights) for one in ones])
    rows = np.array([weights @ one.labels.astype(np.float64) for one in ones])
    return np.nan_to_num(scores, nan=absent), rows


def _by_probability(outcome: Outcome, weights: Floats) -> tuple[Floats, Floats]:
    """Sum the weights of positive and of negative rows at each probability, ascending."""
    stated = outcome.probabilities[:, 1]
    order = np.argsort(stated, kind="stable")
    starts = np.flatnonzero(np.diff(stated[order], prepend=-np.inf))
    ordered = weights[:, order]
    truth = outcome.labels[order].astype(np.float64)
    positive = np.add.reduceat(ordered * truth, starts, axis=1)
    everything = np.add.reduceat(ordered, starts, axis=1)
    return positive, everything - positive
