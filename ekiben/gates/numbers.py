"""The gates that judge how a candidate answers: alone, and beside the incumbent."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from ekiben.evaluation.measures import SMALLER_IS_BETTER
from ekiben.schemas.gates import (
    Calibration,
    Difference,
    GateName,
    SliceDifferences,
    Verdict,
)

MAIN_TOLERANCE = 0.005
"""What the main metric may surely lose: less than seeds of the split differ by."""
METRIC_TOLERANCE = 0.03
"""The same of the other metrics: precision and recall trade places with a threshold."""
SLICE_TOLERANCE = 0.05
"""The same of any metric on one slice."""
SCORE_LOSS = 0.10
"""The share by which the incumbent's log loss may surely be exceeded."""
SMALLEST_SCORE_LOSS = 1e-3
"""What the log loss may lose however small it is."""
SLOWER = 2.0
"""How many times the incumbent's time a prediction may take."""
FAST_ENOUGH_MS = 1.0
"""A call that takes no longer is never too slow: microseconds are noise."""
TOO_SLOW_MS = {1: 100.0, 32: 250.0}
"""What a call with so many rows may take, incumbent or not: requests are waiting."""

MOST_TOLD = 3
"""Losses that the words of a verdict name; its numbers hold them all."""


def floors(measured: Mapping[str, float | None], least: Mapping[str, float]) -> Verdict:
    """Pass when each metric reaches its floor; a metric without a figure does not."""
    below = [name for name in least if not _reaches(measured.get(name), least[name])]
    told = [
        f"{name} {_told(measured.get(name))}, at least {least[name]:g} is asked"
        for name in (below or least)
    ]
    return Verdict(
        gate="floors",
        passed=not below,
        words="; ".join(told) or "the use case sets no floors",
        numbers={
            name: {"value": measured.get(name), "floor": floor}
            for name, floor in least.items()
        },
    )


def calibration(
    candidate: Calibration,
    incumbent: Calibration | None,
    score: Difference | None,
    limit: float,
) -> Verdict:
    """Refuse an error surely above its *limit*, or a *score*, log loss, surely worse."""
    error = f"calibration error {_with_interval(candidate)}"
    told = []
    if not candidate.low <= limit:
        told.append(f"{error}, surely above {limit:g}")
    numbers: dict[str, JsonValue] = {
        "candidate": candidate.model_dump(exclude={"bins"}),
        "incumbent": incumbent.model_dump(exclude={"bins"}) if incumbent else None,
        "limit": limit,
    }
    if score:
        worse = _lost_score(score)
        told += [worse] if worse else []
        numbers["log_loss"] = score.model_dump()
    return Verdict(
        gate="calibration",
        passed=not told,
        words="; ".join(told) or error,
        numbers=numbers,
    )


def regression(found: Mapping[str, Difference], main: str) -> Verdict:
    """Refuse a candidate that is surely worse than the incumbent in any metric."""
    told = [
        _loss(name, one, tolerance)
        for name, one in found.items()
        if is_worse(name, one, tolerance := _tolerance(name, main))
    ]
    if main not in found:
        told.append(f"{main} is not defined")
    return Verdict(
        gate="regression",
        passed=not told,
        words=_first_of(told) or f"{main} {_change(found[main])}",
        numbers={name: one.model_dump() for name, one in found.items()},
    )


def not_measured(gate: GateName, reason: str) -> Verdict:
    """Refuse a candidate because the *gate* has no numbers to judge it by."""
    return Verdict(gate=gate, passed=False, words=f"not measured: {reason}")


def slices(found: Mapping[str, Mapping[str, SliceDifferences]]) -> Verdict:
    """Refuse a candidate that is surely worse on one slice."""
    told = {
        f"{name} {group}": _loss(metric, one, SLICE_TOLERANCE)
        for name, group, metric, one in reversed([*_each(found)])
        if one.low is not None and is_worse(metric, one, SLICE_TOLERANCE)
    }
    count = sum(len(groups) for groups in found.values())
    numbers: dict[str, JsonValue] = {
        name: {group: one.model_dump() for group, one in groups.items()}
        for name, groups in found.items()
    }
    return Verdict(
        gate="slices",
        passed=not told,
        words=_first_of([f"{group}: {told[group]}" for group in reversed(told)])
        or f"no sure loss on any of {count} slices",
        numbers=numbers,
    )


def latency(
    candidate: Mapping[int, float], incumbent: Mapping[int, float] | None
) -> Verdict:
    """Refuse a candidate that is too slow, or much slower than the incumbent.

    Both map the rows of a batch to the milliseconds of a call.
    """
    told, numbers = [], dict[str, JsonValue]()
    for rows, taken in candidate.items():
        before = incumbent[rows] if incumbent else None
        limit = TOO_SLOW_MS[rows]
        if before is not None:
            limit = min(limit, max(FAST_ENOUGH_MS, SLOWER * before))
        numbers[str(rows)] = {"ms": taken, "incumbent_ms": before, "limit_ms": limit}
        if not taken <= limit:
            told.append(f"{rows} rows take {taken:.2f} ms, at most {limit:.2f} ms")
    words = ", ".join(f"{rows} rows {ms:.2f} ms" for rows, ms in candidate.items())
    return Verdict(
        gate="latency", passed=not told, words="; ".join(told) or words, numbers=numbers
    )


def _reaches(value: float | None, least: float) -> bool:
    return value is not None and value >= least


def _tolerance(name: str, main: str) -> float:
    return MAIN_TOLERANCE if name == main else METRIC_TOLERANCE


def is_worse(name: str, one: Difference, tolerance: float) -> bool:
    """Whether the whole interval of the gain lies below -tolerance, or there is none.

    Nothing is lost where the incumbent has no figure either.
    """
    if one.incumbent is None:
        return False
    if one.low is None or one.high is None or one.candidate is None:
        return True
    best = -one.low if name in SMALLER_IS_BETTER else one.high
    return not best >= -tolerance


def _lost_score(one: Difference) -> str | None:
    if one.incumbent is None:
        return None
    tolerance = max(SMALLEST_SCORE_LOSS, SCORE_LOSS * one.incumbent)
    lost = is_worse("log_loss", one, tolerance)
    return _loss("log_loss", one, tolerance) if lost else None


def _loss(name: str, one: Difference, tolerance: float) -> str:
    return f"{name} {_change(one)}, more than {tolerance:.2g} worse"


def _with_interval(one: Calibration) -> str:
    return f"{one.error:.4f} [{one.low:.4f}, {one.high:.4f}]"


def _first_of(told: Sequence[str]) -> str:
    """Join what there is to say, but not all of it where that is much."""
    more = len(told) - MOST_TOLD
    return "; ".join(told[:MOST_TOLD]) + (f"; and {more} more" if more > 0 else "")


def _change(one: Difference) -> str:
    """Say both figures and the interval of their difference."""
    return (
        f"{_told(one.incumbent)} -> {_told(one.candidate)} "
        f"[{_told(one.low, '+')}, {_told(one.high, '+')}]"
    )


def _told(figure: float | None, sign: str = "") -> str:
    return "undefined" if figure is None else f"{figure:{sign}.4f}"


def _each(
    found: Mapping[str, Mapping[str, SliceDifferences]],
) -> Iterator[tuple[str, str, str, Difference]]:
    for name, groups in found.items():
        for group, slice_ in groups.items():
            for metric, one in slice_.metrics.items():
                yield name, group, metric, one
