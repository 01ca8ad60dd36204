"""Numbers of one or two versions on the same rows: metrics, calibration, time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ekiben.evaluation.calibration import calibration, scores
from ekiben.evaluation.intervals import numbers
from ekiben.evaluation.measures import METRICS, OF_PROBABILITIES, Outcome
from ekiben.evaluation.paired import differences, slice_differences
from ekiben.gates import TOO_SLOW_MS
from ekiben.holdout import Holdout
from ekiben.predictor import Predictor
from ekiben.schemas.base import Row
from ekiben.schemas.gates import Calibration, Difference, SliceDifferences
from ekiben.use_cases.use_case import Floats, UseCase

ROUNDS = 3
"""The fastest round counts: a machine that is busy meanwhile only adds time."""
MOST_ROUNDS = 12
"""So many where few of them are calm."""
CALM = 1.3
"""In a calm round half the calls take no more than so many times the lower quartile."""
CALLS = 15
FEWEST_CALLS = 5
ROUND_SECONDS = 0.7
"""No more calls are timed in a round after this, once there are FEWEST_CALLS of each."""

Clock = Callable[[], float]
Latency = dict[int, float]
"""Rows in a batch to the milliseconds that three calls of four take at least."""


@dataclass(frozen=True)
class Trial:
    """A version and its answers to the rows of a holdout."""

    predictor: Predictor
    outcome: Outcome

    @classmethod
    def of(cls, predictor: Predictor, holdout: Holdout) -> "Trial":
        """Let *predictor* answer; whatever an estimator raises is raised."""
        use_case, decision = predictor.use_case, predictor.decision
        encoded = use_case.encoding.from_table(holdout.frame)
        scored = predictor.probabilities(encoded, len(holdout.labels))
        answered = [use_case.label_of(one) for one in use_case.answer(scored, decision)]
        outcome = Outcome(
            numbers(holdout.labels, use_case.classes),
            numbers(answered, use_case.classes),
            use_case.probabilities_of(scored, decision),
        )
        return cls(predictor, outcome)


@dataclass(frozen=True)
class Paired:
    """What two versions differ in on the rows that both can be asked."""

    metrics: dict[str, Difference]
    log_loss: Difference
    slices: dict[str, dict[str, SliceDifferences]]
    disagreement: float


def values_of(trial: Trial, weights: Floats) -> dict[str, float | None]:
    """Measure every metric of the use case once; None where it is not defined."""
    found = {
        name: float(METRICS[name](trial.outcome, weights[None, :])[0])
        for name in trial.predictor.use_case.metrics
    }
    return {name: one if np.isfinite(one) else None for name, one in found.items()}


def pair(
    candidate: Trial,
    incumbent: Trial,
    holdout: Holdout,
    rows: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Paired:
    """Compare two versions on some *rows* of the holdout by the paired bootstrap."""
    use_case, kept = candidate.predictor.use_case, holdout.of(rows)
    new, old = candidate.outcome.of(rows), incumbent.outcome.of(rows)
    answered = [one for one in use_case.metrics if one not in OF_PROBABILITIES]
    meant = class_weights(use_case, kept)[new.labels]
    groups = {name: of(kept.frame) for name, of in use_case.slices.items()}
    other = (new.answers != old.answers).astype(np.float64)
    return Paired(
        metrics=differences(new, old, answered, kept.weights, rng),
        log_loss=differences(new, old, ["log_loss"], meant, rng)["log_loss"],
        slices=slice_differences(new, old, answered, kept.weights, groups, rng),
        disagreement=float(np.average(other, weights=kept.weights)),
    )


def class_weights(use_case: UseCase, holdout: Holdout) -> Floats:
    """Return how much a row of each class counts when stated probabilities are judged.

    As many as it stands for; and where probabilities are meant for another share of
    positives than the table has, as many as there would be.
    """
    labels = numbers(holdout.labels, use_case.classes)
    count = len(use_case.classes)
    rows = np.bincount(labels, minlength=count)
    stands = np.bincount(labels, holdout.weights, count)
    if use_case.prior is not None:
        stands = np.array([1.0 - use_case.prior, use_case.prior]) * stands.sum()
    return np.divide(stands, rows, out=np.ones(count), where=rows > 0)


def calibration_of(
    trial: Trial, holdout: Holdout, rng: np.random.Generator
) -> Calibration:
    """Measure how far the stated probabilities are from what came true."""
    weights = class_weights(trial.predictor.use_case, holdout)
    return calibration(trial.outcome, weights, rng)


def histogram_of(trial: Trial) -> tuple[int, ...]:
    """Count the rows by stated probability."""
    return scores(trial.outcome)


def latencies(trials: Sequence[Trial], holdout: Holdout, clock: Clock) -> list[Latency]:
    """Time calls of all *trials* in turns, so that a busy moment meets each alike."""
    use_case = trials[0].predictor.use_case
    most = max(TOO_SLOW_MS)
    raw = use_case.encoding.rows_of(holdout.frame.iloc[:most])
    rows = [use_case.row.model_validate(one) for one in raw]
    rows = (rows * most)[:most]
    found: list[Latency] = [{} for _ in trials]
    for count in TOO_SLOW_MS:
        asked = [one.predictor for one in trials]
        fastest = _time_rounds(asked, rows[:count], clock)
        for latency, taken in zip(found, fastest, strict=True):
            latency[count] = 1000 * taken
    return found


def _time_rounds(
    predictors: Sequence[Predictor], rows: Sequence[Row], clock: Clock
) -> list[float]:
    """Return the seconds of a call of each in its fastest round."""
    fastest, calm = [math.inf] * len(predictors), 0
    for _ in range(MOST_ROUNDS):
        sorted_times = _time_round(predictors, rows, clock)
        quartiles = [one[len(one) // 4] for one in sorted_times]
        fastest = [min(pair) for pair in zip(fastest, quartiles, strict=True)]
        medians = [one[len(one) // 2] for one in sorted_times]
        calm += all(m <= CALM * q for m, q in zip(medians, quartiles, strict=True))
        if calm == ROUNDS:
            break
    return fastest


def _time_round(
    predictors: Sequence[Predictor], rows: Sequence[Row], clock: Clock
) -> list[list[float]]:
    """Return the seconds of the calls of each, made in turns, shortest first.

    Of these the lower quartile counts. The median of a short call grows with the work of
    others: where they take most of the processor, half of all calls wait for it.
    """
    for predictor in predictors:  # the first call makes what later ones find
        predictor.predict(rows)
    times: list[list[float]] = [[] for _ in predictors]
    begun = clock()
    for done in range(CALLS):
        if done >= FEWEST_CALLS and clock() - begun > ROUND_SECONDS:
            break
        for taken, predictor in zip(times, predictors, strict=True):
            started = clock()
            predictor.predict(rows)
            taken.append(clock() - started)
    return [sorted(taken) for taken in times]
