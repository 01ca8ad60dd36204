"""Small SVG plots for pages: lines, steps, intervals; no scripts, no fonts, no files."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, EDGE = 460, 310, 44
TOP, RIGHT = 24, 28
ROW = 22
"""Pixels of height for each line of an interval plot."""
NAMES = 190
"""Pixels left of an interval plot for the names."""
BAR_NAMES = 110
"""The same of a plot of bars."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Axes:
    """A plot's scales: what is at its lower left and upper right corner."""

    x: Point
    y: Point
    width: int = WIDTH
    height: int = HEIGHT
    left: int = EDGE

    def at(self, x: float, y: float) -> Point:
        """Return the pixel of a point."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        inner = self.width - self.left - RIGHT, self.height - EDGE - TOP
        return self.left + across * inner[0], TOP + (1 - up) * inner[1]


@dataclass(frozen=True)
class Line:
    """Points of one version; *kind* is its CSS class."""

    kind: str
    points: Sequence[Point]
    weights: Sequence[float] = ()
    """Where given, each point has a dot, as large as its weight."""


def line_plot(
    axes: Axes, lines: Iterable[Line], *, x: str, y: str, diagonal: bool = False
) -> str:
    """Draw *lines* over *axes* with five ticks each way."""
    parts = [_grid(axes, x, y)]
    if diagonal:
        parts.append(_path(axes, [(0, 0), (1, 1)], "guide"))
    for line in lines:
        parts.append(_path(axes, line.points, line.kind))
        most = max(line.weights, default=1.0)
        for point, weight in zip(line.points, line.weights, strict=False):
            radius = 2 + 5 * math.sqrt(weight / most)
            parts.append(_dot(*axes.at(*point), line.kind, radius))
    return _svg(axes.width, axes.height, parts, f"{y} by {x}")


@dataclass(frozen=True)
class Interval:
    """A named difference with its interval."""

    name: str
    value: float
    low: float
    high: float
    alarming: bool


def interval_plot(intervals: Sequence[Interval], *, x: str) -> str:
    """Draw one interval below the other, with a line at zero."""
    most = max([1e-3, *(max(abs(one.low), abs(one.high)) for one in intervals)]) * 1.05
    height = ROW * len(intervals) + EDGE + TOP
    axes = Axes((-most, most), (0, len(intervals)), WIDTH + NAMES, height, NAMES)
    parts = [_ticks_below(axes, x), _path(axes, [(0, 0), (0, len(intervals))], "guide")]
    for place, one in enumerate(intervals):
        y = len(intervals) - place - 0.5
        kind = "bad" if one.alarming else "b"
        parts.append(_path(axes, [(one.low, y), (one.high, y)], kind))
        parts.append(_dot(*axes.at(one.value, y), kind))
        parts.append(_text(NAMES - 8, axes.at(0, y)[1] + 4, one.name, "end"))
    return _svg(axes.width, height, parts, x)


def bar_plot(
    names: Sequence[str],
    a: Sequence[float],
    b: Sequence[float],
    *,
    most: float,
    x: str,
) -> str:
    """Draw two bars for each name, *a* above *b*, from zero to at most *most*."""
    height = ROW * len(names) + EDGE + TOP
    axes = Axes((0, most), (0, len(names)), WIDTH, height, BAR_NAMES)
    parts = [_ticks_below(axes, x)]
    for place, (name, *lengths) in enumerate(zip(names, a, b, strict=True)):
        left, top = axes.at(0, len(names) - place)
        for lower, (kind, length) in enumerate(zip("ab", lengths, strict=True)):
            wide = axes.at(length, 0)[0] - left
            y = top + 3 + lower * (ROW - 6) / 2
            parts.append(
                f'<rect class="{kind}" x="{left:.1f}" y="{y:.1f}" '
                f'width="{wide:.1f}" height="{(ROW - 6) / 2:.1f}"/>'
            )
        parts.append(_text(BAR_NAMES - 8, top + ROW / 2 + 4, name, "end"))
    return _svg(axes.width, height, parts, x)


def steps_of(counts: Sequence[float]) -> list[Point]:
    """Return the outline of a histogram over 0 to 1."""
    points: list[Point] = []
    for place, count in enumerate(counts):
        left, right = place / len(counts), (place + 1) / len(counts)
        points += [(left, count), (right, count)]
    return points


def _grid(axes: Axes, x: str, y: str) -> str:
    parts = [_ticks_below(axes, x)]
    for value in _ticks(axes.y):
        left, up = axes.at(axes.x[0], value)
        parts.append(_path(axes, [(axes.x[0], value), (axes.x[1], value)], "grid"))
        parts.append(_text(left - 6, up + 4, f"{value:g}", "end"))
    parts.append(_text(4, 10, y, "start"))
    return "".join(parts)


def _ticks_below(axes: Axes, name: str) -> str:
    parts = []
    for value in _ticks(axes.x):
        across, down = axes.at(value, axes.y[0])
        parts.append(_path(axes, [(value, axes.y[0]), (value, axes.y[1])], "grid"))
        parts.append(_text(across, down + 15, f"{value:.3g}", "middle"))
    middle = (axes.left + axes.width - RIGHT) / 2
    parts.append(_text(middle, axes.height - 8, name, "middle"))
    return "".join(parts)


def _ticks(ends: Point) -> list[float]:
    low, high = ends
    return [low + (high - low) * step / 4 for step in range(5)]


def _path(axes: Axes, points: Sequence[Point], kind: str) -> str:
    pixels = " ".join(f"{x:.1f},{y:.1f}" for x, y in (axes.at(*one) for one in points))
    return f'<polyline class="{kind}" points="{pixels}"/>'


def _dot(x: float, y: float, kind: str, radius: float = 3.5) -> str:
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
    )


def _svg(width: int, height: int, parts: Iterable[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
