"""Whether stated probabilities come true: the expected calibration error, and how sure it is.

With two classes the positive one's probability is judged, with more that of the most
probable class. Rows are grouped by their stated probability in ten equal steps; the
error is the mean distance of stated and observed shares (Naeini and others 2015). On
few rows it is large by chance alone, and larger still on resamples of them, so its
interval is the pivotal one (Efron and Tibshirani 1993, section 13.4): the resamples'
percentiles, reflected at the error.
"""

import numpy as np
from numpy.typing import NDArray

from ekiben.evaluation.intervals import INTERVAL, resamples
from ekiben.evaluation.measures import Floats, Integers, Outcome
from ekiben.schemas.gates import Calibration, CalibrationBin

STEPS = 10
SCORE_STEPS = 20

Truths = NDArray[np.bool_]


def calibration(
    outcome: Outcome, class_weights: Floats, rng: np.random.Generator
) -> Calibration:
    """Measure the calibration on rows that count as much as their label's weight says.

    The weights undo that some classes are more frequent among these rows than where
    the probabilities are meant for.
    """
    stated, judged = _judged(outcome.probabilities)
    came_true, weights = outcome.labels == judged, class_weights[outcome.labels]
    steps = np.minimum((stated * STEPS).astype(np.int64), STEPS - 1)
    gaps = np.eye(STEPS)[steps] * (weights * (came_true - stated))[:, None]

    def errors(counts: Floats) -> Floats:
        found: Floats = np.abs(counts @ gaps).sum(axis=1) / (counts @ weights)
        return found

    error = float(errors(np.ones((1, len(stated))))[0])
    drawn = [errors(counts) for counts in resamples(len(stated), rng)]
    least, most = np.percentile(np.concatenate(drawn), INTERVAL)
    return Calibration(
        error=error,
        low=max(0.0, 2 * error - float(most)),
        high=max(0.0, 2 * error - float(least)),
        bins=_bins(steps, stated, came_true, weights),
    )


def scores(outcome: Outcome) -> tuple[int, ...]:
    """Count the rows by the probability that is judged, in SCORE_STEPS equal steps."""
    stated, _ = _judged(outcome.probabilities)
    counts, _ = np.histogram(stated, SCORE_STEPS, (0.0, 1.0))
    return tuple(counts.tolist())


def _judged(probabilities: Floats) -> tuple[Floats, Integers]:
    """Return each row's probability that is judged, and the class that it is of."""
    if probabilities.shape[1] == 2:
        return probabilities[:, 1], np.ones(len(probabilities), np.int64)
    return probabilities.max(axis=1), probabilities.argmax(axis=1)


def _bins(
    steps: Integers, stated: Floats, came_true: Truths, weights: Floats
) -> tuple[CalibrationBin, ...]:
    return tuple(
        CalibrationBin(
            rows=int(rows.sum()),
            stated=float(np.average(stated[rows], weights=weights[rows])),
            observed=float(np.average(came_true[rows], weights=weights[rows])),
        )
        for rows in (steps == step for step in np.unique(steps))
    )
