"""The paired bootstrap: two versions on the same resamples of the same rows.

Rows are drawn with replacement; both versions are measured on each drawing, and the
percentiles of the differences are the interval (Efron and Tibshirani, An Introduction
to the Bootstrap, 1993, chapter 13). What is hard for both versions cancels out.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ekiben.evaluation.intervals import FEWEST_DEFINED, resamples
from ekiben.evaluation.measures import METRICS, Floats, Outcome
from ekiben.schemas.gates import Difference, SliceDifferences

RESAMPLES = 2000
LEVEL = 95.0
SLICE_LEVEL = 99.8
"""Slices times metrics are many looks at the same rows: each has to be surer."""
SLICE_ROWS = 50
"""A slice with fewer rows is not compared."""


def differences(
    candidate: Outcome,
    incumbent: Outcome,
    metrics: Sequence[str],
    weights: Floats,
    rng: np.random.Generator,
    level: float = LEVEL,
) -> dict[str, Difference]:
    """Compare *metrics* on rows that count as *weights* say; intervals at *level* percent.

    A metric that neither version has is left out.
    """
    found = {
        name: (_once(name, candidate, weights), _once(name, incumbent, weights))
        for name in metrics
    }
    named = [name for name, pair in found.items() if np.isfinite(pair).any()]
    parts: dict[str, list[Floats]] = {name: [] for name in named}
    for drawn in resamples(len(weights), rng, RESAMPLES):
        weighted = drawn * weights
        for name in named:
            measure = METRICS[name]
            parts[name].append(
                measure(candidate, weighted) - measure(incumbent, weighted)
            )
    return {
        name: _difference(*found[name], np.concatenate(parts[name]), level)
        for name in named
    }


def slice_differences(
    candidate: Outcome,
    incumbent: Outcome,
    metrics: Sequence[str],
    weights: Floats,
    slices: Mapping[str, ArrayLike],
    rng: np.random.Generator,
) -> dict[str, dict[str, SliceDifferences]]:
    """Compare *metrics* on each group of *slices* that has rows enough."""
    return {
        name: {
            group: SliceDifferences(
                rows=int(rows.sum()),
                metrics=differences(
                    candidate.of(rows),
                    incumbent.of(rows),
                    metrics,
                    weights[rows],
                    rng,
                    SLICE_LEVEL,
                ),
            )
            for group, rows in _groups(groups)
        }
        for name, groups in slices.items()
    }


def _groups(groups: ArrayLike) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    names = np.asarray(groups, dtype=str)
    for group in np.unique(names).tolist():
        rows = names == group
        if rows.sum() >= SLICE_ROWS:
            yield group, rows


def _once(name: str, outcome: Outcome, weights: Floats) -> float:
    return float(METRICS[name](outcome, weights[None, :])[0])


def _difference(
    candidate: float, incumbent: float, resampled: Floats, level: float
) -> Difference:
    defined = np.isfinite(resampled)
    low = high = float("nan")
    if defined.mean() >= FEWEST_DEFINED:
        ends = ((100 - level) / 2, (100 + level) / 2)
        low, high = np.percentile(resampled[defined], ends).tolist()
    return Difference(
        candidate=_finite(candidate),
        incumbent=_finite(incumbent),
        difference=_finite(candidate - incumbent),
        low=_finite(low),
        high=_finite(high),
    )


def _finite(figure: float) -> float | None:
    return figure if np.isfinite(figure) else None
