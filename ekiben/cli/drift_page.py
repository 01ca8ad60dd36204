"""The page of a drift report: one file, nothing loaded from elsewhere."""

import math
from importlib import resources
from itertools import pairwise

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ekiben.cli.plots import Axes, Line, Point, bar_plot, line_plot
from ekiben.monitoring.verdicts import CHANCE, DRIFTED, WATCH, WORST
from ekiben.schemas.drift import Drift, PartDrift, Shares

TEMPLATE = "drift.html"
SMALLEST = 1e-100
"""Smaller chances are all the same to a reader."""


def render(found: Drift) -> str:
    """Return the page as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["chance"] = chance
    environment.filters["plot"] = _plot
    source = resources.files(__package__).joinpath(TEMPLATE).read_text("utf-8")
    parts = [*found.fields, *([found.prediction] if found.prediction else [])]
    return environment.from_string(source).render(
        found=found,
        parts=sorted(parts, key=_place),
        limits={"chance": CHANCE, "drifted": DRIFTED, "watch": WATCH},
    )


def chance(p: float | None) -> str:
    """Return a p-value in few characters."""
    if p is None:
        return "-"
    if p < SMALLEST:
        return f"< {SMALLEST:g}"
    return f"{p:.3f}" if p >= CHANCE else f"{p:.0e}"


def _place(part: PartDrift) -> tuple[int, float]:
    """Sort the worst verdict first, and the largest shift within one."""
    return WORST.index(part.verdict), -(part.psi or 0.0)


def _plot(shares: Shares) -> Markup:
    sides = shares.reference, shares.current
    top = _round_up(max(map(max, sides)))
    if shares.names:
        return Markup(bar_plot(shares.names, *sides, most=top, x="share of rows"))
    return Markup(_steps(shares, top))


def _round_up(value: float) -> float:
    """Return the next number whose quarters are short."""
    ten = 10.0 ** math.floor(math.log10(value))
    return next(step * ten for step in (1, 2, 4, 8, 10) if step * ten >= value)


def _steps(shares: Shares, top: float) -> str:
    axes = Axes((shares.edges[0], shares.edges[-1]), (0, top))
    sides = ("a", shares.reference), ("b", shares.current)
    lines = [Line(kind, _outline(shares.edges, heights)) for kind, heights in sides]
    return line_plot(axes, lines, x="value", y="share of rows")


def _outline(edges: tuple[float, ...], heights: tuple[float, ...]) -> list[Point]:
    points: list[Point] = []
    for (left, right), height in zip(pairwise(edges), heights, strict=True):
        points += [(left, height), (right, height)]
    return points
