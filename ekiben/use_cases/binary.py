"""What the use cases that decide between no and yes have in common."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ekiben.use_cases.answers import AnswerColumns
from ekiben.use_cases.use_case import Decision, Fields, Floats

Truths = NDArray[np.bool_]


def as_stated(probabilities: Floats, _decision: Decision) -> Floats:
    """Return *probabilities*: the answer states what the model says."""
    return probabilities


def flag_answers(flag: str) -> Callable[[Floats, Decision], list[Fields]]:
    """Make the `answer` of a use case whose prediction has the boolean field *flag*."""

    def answer(probabilities: Floats, decision: Decision) -> list[Fields]:
        threshold = decision["threshold"]
        return [
            {flag: p >= threshold, "probability": p, "threshold": threshold}
            for p in probabilities[:, 1].tolist()
        ]

    return answer


def flag_columns(flag: str) -> Callable[[Floats, Decision], AnswerColumns]:
    """Make the `answer_columns` of such a use case."""

    def answer_columns(probabilities: Floats, decision: Decision) -> AnswerColumns:
        positive, threshold = probabilities[:, 1], decision["threshold"]
        flags = positive >= threshold
        return {flag: flags, "probability": positive, "threshold": threshold}

    return answer_columns


def best_f1_threshold(positive: Truths, probabilities: Floats) -> float:
    """Return the cut with the largest F1; the lowest of several."""
    cuts, hits, alarms = _counts(positive, probabilities)
    return float(cuts[np.argmax(2 * hits / (hits + alarms + positive.sum()))])


def cheapest_threshold(
    positive: Truths, probabilities: Floats, *, prior: float, miss: float
) -> float:
    """Return the cut with the smallest expected cost; the lowest of several.

    *prior* is the share of positives where the model will be used, *miss* what a
    missed positive costs when a false alarm costs 1.
    """
    cuts, hits, alarms = _counts(positive, probabilities)
    missed = 1 - hits / positive.sum()
    alarmed = alarms / (~positive).sum()
    return float(cuts[np.argmin(prior * miss * missed + (1 - prior) * alarmed)])


def _counts(positive: Truths, probabilities: Floats) -> tuple[Floats, Any, Any]:
    """Return cuts halfway between neighbouring probabilities, and at each cut the
    positives and the negatives at or above it.

    Halfway, because the last bit of a probability differs between machines and must
    not change the answer of a row that set the threshold.
    """
    distinct = np.unique(probabilities)
    low, high = distinct[:-1], distinct[1:]
    halfway = (low + high) / 2
    cuts = np.where(halfway > low, halfway, high) if len(low) else distinct
    yes = np.sort(probabilities[positive])
    no = np.sort(probabilities[~positive])
    hits = len(yes) - np.searchsorted(yes, cuts)
    alarms = len(no) - np.searchsorted(no, cuts)
    return cuts, hits, alarms
