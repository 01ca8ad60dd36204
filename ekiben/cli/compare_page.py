"""The page of a comparison: one file, nothing loaded from elsewhere."""

import math
from collections.abc import Iterator
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ekiben.cli.plots import (
    Axes,
    Interval,
    Line,
    interval_plot,
    line_plot,
    steps_of,
)
from ekiben.gates import SLICE_TOLERANCE, is_worse
from ekiben.schemas.gates import Comparison, Difference, Side

TEMPLATE = "compare.html"


def render(comparison: Comparison) -> str:
    """Return the page as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["figure"] = _figure
    source = resources.files(__package__).joinpath(TEMPLATE).read_text("utf-8")
    main = next(iter(comparison.metrics))
    return environment.from_string(source).render(
        found=comparison,
        main=main,
        calibration=Markup(_calibration(comparison)),
        scores=Markup(_scores(comparison)),
        slices=Markup(_slices(comparison, main)),
    )


def _sides(comparison: Comparison) -> tuple[tuple[str, Side], tuple[str, Side]]:
    return ("a", comparison.incumbent), ("b", comparison.candidate)


def _calibration(comparison: Comparison) -> str:
    lines = [
        Line(
            kind,
            [(one.stated, one.observed) for one in side.calibration.bins],
            [one.rows for one in side.calibration.bins],
        )
        for kind, side in _sides(comparison)
    ]
    axes = Axes((0, 1), (0, 1))
    return line_plot(
        axes, lines, x="stated probability", y="observed share", diagonal=True
    )


def _scores(comparison: Comparison) -> str:
    """Draw how many rows were given which probability; logarithms, since most are sure."""
    heights = {
        kind: [math.log10(1 + count) for count in side.scores]
        for kind, side in _sides(comparison)
    }
    top = math.ceil(max(max(one) for one in heights.values()))
    lines = [Line(kind, steps_of(one)) for kind, one in heights.items()]
    axes = Axes((0, 1), (0, max(1, top)))
    return line_plot(axes, lines, x="stated probability", y="log10 (1 + rows)")


def _slices(comparison: Comparison, main: str) -> str:
    found = list(_intervals(comparison, main))
    return interval_plot(found, x=f"{main}, B less A") if found else ""


def _intervals(comparison: Comparison, main: str) -> Iterator[Interval]:
    for name, groups in comparison.slices.items():
        for group, one in groups.items():
            if main in one.metrics:
                yield from _interval(f"{name} {group}", main, one.metrics[main])


def _interval(name: str, metric: str, one: Difference) -> Iterator[Interval]:
    if one.difference is not None and one.low is not None and one.high is not None:
        alarming = is_worse(metric, one, SLICE_TOLERANCE)
        yield Interval(name, one.difference, one.low, one.high, alarming)


def _figure(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.4f}"
