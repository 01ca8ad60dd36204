"""How far two samples are apart: the population stability index, and two-sample tests.

Pure numbers; scipy is imported when a test is asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ekiben.monitoring.fields import Floats

Counts = NDArray[np.int_]
"""Rows of the reference and of now, columns of cells."""

CELLS = 10
"""Parts of about equal size that the PSI cuts a reference of numbers into."""
LEAST_EXPECTED = 5.0
"""The least that a cell of a chi-square test may be expected to hold (Cochran 1954)."""


@dataclass(frozen=True)
class Shift:
    """What separates a current sample from its reference.

    `psi` is the size of the difference, whatever the number of rows; `p` the chance of a
    difference as large as the test's `statistic` where there is none.
    """

    psi: float
    test: str
    statistic: float
    p: float


def population_stability_index(reference: Floats, current: Floats) -> float:
    """Return the PSI of two lists of counts of the same cells, each with a row at least.

    A cell that is empty in one counts as half a row there; empty in both, not at all.
    """
    used = (reference > 0) | (current > 0)
    p, q = (np.where(one == 0, 0.5, one)[used] for one in (reference, current))
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((q - p) * np.log(q / p)))


def edges_of(reference: Floats) -> Floats:
    """Return the ends of the PSI's cells: deciles, so outliers in *current* move none.

    Below the least and above the largest value of *reference* lies a cell each, which
    the reference leaves empty.
    """
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, CELLS + 1)))
    above = np.nextafter(edges[-1], np.inf)
    return np.append(edges if len(edges) == 1 else edges[:-1], above)


def count_cells(edges: Floats, values: Floats) -> Floats:
    """Return how many *values* lie below the edges, between each two, and above."""
    places = np.searchsorted(edges, values, side="right")
    return np.bincount(places, minlength=len(edges) + 1).astype(np.float64)


def number_shift(
    reference: Floats, current: Floats, *, only_upwards: bool = False
) -> Shift:
    """Compare two samples of numbers: PSI, and the test of Kolmogorov and Smirnov.

    With *only_upwards* the test looks for larger numbers in *current* alone.

    The p-value is that of large samples, which with ties errs towards no difference.

    Raises:
        ValueError: one side has fewer than two rows.
    """
    if min(len(reference), len(current)) < 2:
        raise ValueError("no rows to compare")
    from scipy.stats import ks_2samp

    edges = edges_of(reference)
    cells = (count_cells(edges, one) for one in (reference, current))
    side = "greater" if only_upwards else "two-sided"
    found = ks_2samp(reference, current, alternative=side, method="asymp")
    psi = population_stability_index(*cells)
    return Shift(psi, "Kolmogorov-Smirnov", float(found.statistic), float(found.pvalue))


def category_shift(reference: Mapping[str, int], current: Mapping[str, int]) -> Shift:
    """Compare the counts of categories: PSI, and a chi-square test.

    Categories that are too rare for the test are put together; where two cells are left
    that are still too small, the exact test of Fisher is used.

    Raises:
        ValueError: one side has no rows.
    """
    names = sorted({*reference, *current})
    counts = np.array(
        [[one.get(name, 0) for name in names] for one in (reference, current)]
    )
    if not names or (counts.sum(axis=1) == 0).any():
        raise ValueError("no rows to compare")
    old, new = counts.astype(np.float64)
    psi = population_stability_index(old, new)
    counts = counts[:, counts.sum(axis=0) > 0]
    if counts.shape[1] == 1:
        return Shift(psi, "one category", 0.0, 1.0)
    return Shift(psi, *_independence(_pooled(counts)))


def _independence(table: Counts) -> tuple[str, float, float]:
    from scipy.stats import chi2_contingency, fisher_exact

    rows, columns = table.sum(axis=1), table.sum(axis=0)
    if rows.min() * columns.min() / table.sum() < LEAST_EXPECTED:
        found = fisher_exact(table)
        return "Fisher", 0.0, float(found.pvalue)
    found = chi2_contingency(table, correction=False)
    return "chi-square", float(found.statistic), float(found.pvalue)


def _pooled(table: Counts) -> Counts:
    """Put the rarest columns together until each may be tested; two at least are left."""
    least = LEAST_EXPECTED * table.sum() / table.sum(axis=1).min()
    order = np.argsort(table.sum(axis=0), kind="stable")
    columns = [table[:, place] for place in order]
    while len(columns) > 2 and columns[0].sum() < least:
        columns[:2] = [columns[0] + columns[1]]
        columns.sort(key=lambda one: int(one.sum()))
    return np.column_stack(columns)


def holm(chances: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979), in the order given.

    Where nothing differs, the chance that any of them falls below a bound is the bound.
    """
    order = sorted(range(len(chances)), key=lambda place: chances[place])
    corrected = [0.0] * len(chances)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[place]))
        corrected[place] = highest
    return corrected
