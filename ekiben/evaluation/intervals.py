"""Metrics with bootstrap intervals: overall, per class and per slice."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ekiben.evaluation.measures import METRICS, Floats, Integers, Outcome
from ekiben.schemas.model_card import Evaluation, Metric, SliceMetrics

RESAMPLES = 500
INTERVAL = (2.5, 97.5)
"""Percentiles of a metric over the resamples: a 95 % interval."""
FEWEST_ROWS = 20
"""A slice with fewer rows is counted, not measured: its interval would say nothing."""
FEWEST_DEFINED = 0.5
"""The share of resamples in which a metric must be defined to have an interval."""
CHUNK = 200_000
"""Weights that are held in memory at once: so many stay in the processor's cache, and a
server's other threads wait for none of it for long."""
PER_CLASS = ("precision", "recall", "f1")


def evaluate(
    labels: ArrayLike,
    answers: ArrayLike,
    probabilities: Floats,
    *,
    classes: Sequence[Any],
    metrics: Sequence[str],
    slices: Mapping[str, ArrayLike],
    rng: np.random.Generator,
) -> Evaluation:
    """Measure *metrics* on rows with these *labels*, *answers* and stated *probabilities*.

    *slices* name each row's group. A metric that a group leaves undefined, such as
    ROC AUC of one class only, is left out.
    """
    outcome = Outcome(
        numbers(labels, classes), numbers(answers, classes), probabilities
    )
    return Evaluation(
        rows=len(outcome.labels),
        overall=_figures(outcome, metrics, rng),
        per_class={
            _text(name): _figures(outcome.against_rest(number), PER_CLASS, rng)
            for number, name in enumerate(classes)
        },
        per_slice={
            name: dict(_groups(outcome, np.asarray(groups, dtype=str), metrics, rng))
            for name, groups in slices.items()
        },
    )


def numbers(labels: ArrayLike, classes: Sequence[Any]) -> Integers:
    """Return the place of each label among *classes*."""
    places = {name: number for number, name in enumerate(classes)}
    return np.array([places[label] for label in np.asarray(labels).tolist()], np.int64)


def _text(name: Any) -> str:
    return str(name).lower() if isinstance(name, bool) else str(name)


def _groups(
    outcome: Outcome,
    groups: NDArray[np.str_],
    metrics: Sequence[str],
    rng: np.random.Generator,
) -> Iterator[tuple[str, SliceMetrics]]:
    for group in np.unique(groups).tolist():
        rows = groups == group
        count = int(rows.sum())
        enough = count >= FEWEST_ROWS
        found = _figures(outcome.of(rows), metrics, rng) if enough else {}
        yield group, SliceMetrics(rows=count, metrics=found)


def _figures(
    outcome: Outcome, metrics: Sequence[str], rng: np.random.Generator
) -> dict[str, Metric]:
    """Measure each metric that is defined, on the rows and on resamples of them."""
    once = np.ones((1, len(outcome.labels)))
    values = {name: float(METRICS[name](outcome, once)[0]) for name in metrics}
    defined = [name for name in metrics if np.isfinite(values[name])]
    parts: dict[str, list[Floats]] = {name: [] for name in defined}
    for weights in resamples(len(outcome.labels), rng):
        for name in defined:
            parts[name].append(METRICS[name](outcome, weights))
    return {
        name: _metric(values[name], np.concatenate(parts[name]))
        for name in defined
        if np.isfinite(np.concatenate(parts[name])).mean() >= FEWEST_DEFINED
    }


def _metric(value: float, resampled: Floats) -> Metric:
    low, high = np.nanpercentile(resampled, INTERVAL)
    return Metric(value=value, low=float(low), high=float(high))


def resamples(
    rows: int, rng: np.random.Generator, total: int = RESAMPLES
) -> Iterator[Floats]:
    """Yield how often each row is drawn in each resample, some resamples at a time."""
    at_once = max(1, min(total, CHUNK // rows))
    for start in range(0, total, at_once):
        count = min(at_once, total - start)
        drawn = rng.integers(rows, size=(count, rows))
        drawn += np.arange(count)[:, None] * rows
        counts = np.bincount(drawn.ravel(), minlength=count * rows)
        yield counts.reshape(count, rows).astype(np.float64)
