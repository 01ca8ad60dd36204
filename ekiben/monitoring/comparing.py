"""One signal then and now: how far apart, in numbers, in words, and as shares to plot."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ekiben.monitoring.fields import UNKNOWN_WORDS, Floats, Sample, name_of
from ekiben.monitoring.reference import Counts, Signal
from ekiben.monitoring.shift import Shift, category_shift, count_cells, number_shift
from ekiben.schemas.drift import Shares, SignalDrift

FEWEST_CURRENT = 100
FEWEST_REFERENCE = 20
"""A signal of fewer rows is not compared."""
STEPS = 24
"""Steps that numbers are plotted in."""
OUTER = 0.005
"""Share of rows at each end that a plot puts into its first and last step."""
MOST_NAMES = 12
"""Categories that are plotted, the most frequent first; the others together."""
OTHERS = "all others"


def compare(name: str, reference: Signal, current: Sample) -> SignalDrift:
    """Compare a signal; what its p-value is worth beside others is for the caller.

    A signal of too few rows is not computed, and says so.
    """
    if reference.rows < FEWEST_REFERENCE or len(current) < FEWEST_CURRENT:
        return _too_few(name, reference.rows, len(current))
    if isinstance(reference, Counts):
        return _compare_counts(name, reference.counts, count_names(current))
    return _compare_numbers(name, reference.rows, reference.sample, current)


def _too_few(name: str, before: int, now: int) -> SignalDrift:
    few = (
        f"{before:,} rows at training, {FEWEST_REFERENCE} are needed"
        if before < FEWEST_REFERENCE
        else f"{now:,} rows, {FEWEST_CURRENT} are needed"
    )
    return SignalDrift(
        signal=name,
        verdict="not computed",
        reason=few,
        reference_rows=before,
        current_rows=now,
    )


def count_names(sample: Sample) -> dict[str, int]:
    """Return how often each category, or each number, was seen."""
    values = sample if isinstance(sample, list) else map(name_of, sample.tolist())
    return dict(Counter(values))


def _compare_counts(
    name: str, before: Mapping[str, int], now: Mapping[str, int]
) -> SignalDrift:
    return _compared(
        name,
        category_shift(before, now),
        (sum(before.values()), sum(now.values())),
        words=_change_of(before, now),
        never_seen={one: now[one] for one in sorted(now) if not before.get(one)},
        shares=_category_shares(before, now),
    )


def _compare_numbers(
    name: str, rows: int, before: Sequence[float], now: Sample
) -> SignalDrift:
    old, new = (np.asarray(one, dtype=np.float64) for one in (before, now))
    form = "{:.0%}" if name == UNKNOWN_WORDS else "{:.4g}"
    ends = [form.format(one.mean()) for one in (old, new)]
    return _compared(
        name,
        # A text of fewer words that are new is nothing that a model suffers from.
        number_shift(old, new, only_upwards=name == UNKNOWN_WORDS),
        (rows, len(new)),
        words=f"mean {ends[0]} -> {ends[1]}",
        never_seen={},
        shares=_number_shares(old, new),
    )


def _compared(
    name: str,
    shift: Shift,
    rows: tuple[int, int],
    *,
    words: str,
    never_seen: dict[str, int],
    shares: Shares,
) -> SignalDrift:
    return SignalDrift(
        signal=name,
        verdict="none",
        reference_rows=rows[0],
        current_rows=rows[1],
        psi=shift.psi,
        test=shift.test,
        statistic=shift.statistic,
        p=shift.p,
        words=words,
        never_seen=never_seen,
        shares=shares,
    )


def _change_of(before: Mapping[str, int], now: Mapping[str, int]) -> str:
    """Say which category's share changed most."""
    totals = sum(before.values()), sum(now.values())
    shares = {
        name: (before.get(name, 0) / totals[0], now.get(name, 0) / totals[1])
        for name in sorted({*before, *now})
    }
    name = max(shares, key=lambda one: abs(shares[one][1] - shares[one][0]))
    return f"{name}: {shares[name][0]:.1%} -> {shares[name][1]:.1%} of rows"


def _number_shares(before: Floats, now: Floats) -> Shares:
    ends = [np.quantile(one, (OUTER, 1 - OUTER)) for one in (before, now)]
    low, high = min(one[0] for one in ends), max(one[1] for one in ends)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, STEPS + 1)
    cells = [count_cells(edges[1:-1], one) / len(one) for one in (before, now)]
    return Shares(
        names=(),
        edges=tuple(edges.tolist()),
        reference=tuple(cells[0].tolist()),
        current=tuple(cells[1].tolist()),
    )


def _category_shares(before: Mapping[str, int], now: Mapping[str, int]) -> Shares:
    sides = before, now
    totals = [sum(one.values()) for one in sides]
    size = {
        name: sum(
            one.get(name, 0) / all_ for one, all_ in zip(sides, totals, strict=True)
        )
        for name in {*before, *now}
    }
    names = sorted(size, key=lambda one: (-size[one], one))[:MOST_NAMES]
    if all(name.lstrip("-").isdigit() for name in names):
        names.sort(key=int)
    cells = [
        [one.get(name, 0) / all_ for name in names]
        for one, all_ in zip(sides, totals, strict=True)
    ]
    if len(size) > len(names):
        names.append(OTHERS)
        cells = [[*one, 1 - sum(one)] for one in cells]
    return Shares(
        names=tuple(names), edges=(), reference=tuple(cells[0]), current=tuple(cells[1])
    )
