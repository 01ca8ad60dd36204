"""How what is answered grows with connections and rows, as one picture: plain SVG."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.plot import LIMITS, OURS
from benchmarks.report import TITLES
from benchmarks.results import Case, Results
from benchmarks.targets import EKIBEN

WIDTH, HEIGHT = 170, 190
"""Of one panel; the use cases stand side by side, connections above rows."""
LEFT, RIGHT, TOP, LOW = 40, 12, 24, 20
LEGEND, ENTRY, COLUMNS = 26, 18, 5
COLOURS = {
    EKIBEN: OURS,
    "arrow": "#d9805f",
    "tuned": "#0072b2",
    "tutorial": "#56b4e9",
    "stock": "#009e73",
    "litserve": "#e69f00",
    "mlserver": "#cc79a7",
    "ray": "#777777",
    "asgi": LIMITS,
    "in-process": LIMITS,
}
DASHED = frozenset(["in-process"])
STYLE = (
    "text { font: 11px system-ui, sans-serif; fill: #333; } .head { font-weight: bold; }"
    f" polyline {{ fill: none; stroke-width: 1.5; }} .{EKIBEN} {{ stroke-width: 3; }}"
)

Point = tuple[float, float]


@dataclass(frozen=True)
class Kind:
    """One row of panels: which cases, what stands to the right, what upwards."""

    title: str
    holds: Callable[[Case], bool]
    x: Callable[[Case], float]
    y: Callable[[Case], float]
    """How much one request counts."""


KINDS = (
    Kind(
        "requests a second by connections, one row each",
        lambda case: case.rows == 1 and not case.share,
        lambda case: case.connections,
        lambda _: 1,
    ),
    Kind(
        "rows a second by rows a request",
        lambda case: case.rows > 1 and not case.share,
        lambda case: case.rows,
        lambda case: case.rows,
    ),
)


def svg(results: Results) -> str:
    """Return a panel a use case and kind, a line a server; all axes are logarithmic.

    The panels of a kind share their axes.
    """
    names = list(dict.fromkeys(one.use_case for one in results.cases))
    width = max(len(names), 3) * WIDTH
    parts = list(_legend(results.servers))
    top = LEGEND + ENTRY * -(-len(results.servers) // COLUMNS)
    for kind in KINDS:
        lines = {name: _lines(results, kind, name) for name in names}
        points = [one for of in lines.values() for line in of.values() for one in line]
        if not points:
            continue
        parts.append(f'<text class="head" x="4" y="{top}">{kind.title}</text>')
        frame = Frame.around(points)
        for number, name in enumerate(names):
            panel = "".join(frame.panel(name, lines[name]))
            parts.append(
                f'<g transform="translate({number * WIDTH} {top})">{panel}</g>'
            )
        top += HEIGHT + 26
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}"'
        f' width="{width}" role="img"><style>{STYLE}</style>'
        f'<rect width="{width}" height="{top}" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _lines(results: Results, kind: Kind, use_case: str) -> dict[str, list[Point]]:
    """Return the points of each server that has at least two."""
    cases = [one for one in results.cases if one.use_case == use_case]
    found: dict[str, list[Point]] = {}
    for server in results.servers:
        for case in filter(kind.holds, cases):
            spread = results.find(server, case, "req_s")
            if spread and spread.median > 0:
                point = kind.x(case), spread.median * kind.y(case)
                found.setdefault(server, []).append(point)
    return {name: sorted(line) for name, line in found.items() if len(line) > 1}


def _legend(servers: Sequence[str]) -> Iterator[str]:
    for number, name in enumerate(servers):
        x, y = number % COLUMNS * WIDTH, number // COLUMNS * ENTRY
        yield (
            f'<g transform="translate({x + 4} {y + 14})">{_line(name, [(0, -4), (20, -4)])}'
            f'<text x="26">{escape(TITLES.get(name, name))}</text></g>'
        )


def _line(server: str, points: Sequence[Point]) -> str:
    dashes = ' stroke-dasharray="5 3"' if server in DASHED else ""
    told = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    colour = COLOURS.get(server, "#777777")
    return f'<polyline class="{server}" points="{told}" stroke="{colour}"{dashes}/>'


@dataclass(frozen=True)
class Frame:
    """The axes that panels share: the marks to the right, whole powers of ten upwards."""

    marks: tuple[float, ...]
    low: int
    high: int

    @classmethod
    def around(cls, points: Sequence[Point]) -> "Frame":
        """Return the axes that hold *points*, all above zero."""
        heights = [math.log10(y) for _, y in points]
        low = math.floor(min(heights))
        return cls(
            tuple(sorted({x for x, _ in points})),
            low,
            max(math.ceil(max(heights)), low + 1),
        )

    def at(self, point: Point) -> Point:
        """Return where *point* lies in a panel."""
        least, most = math.log10(self.marks[0]), math.log10(self.marks[-1])
        right = (math.log10(point[0]) - least) / (most - least)
        up = (math.log10(point[1]) - self.low) / (self.high - self.low)
        return (
            LEFT + right * (WIDTH - LEFT - RIGHT),
            HEIGHT - LOW - up * (HEIGHT - LOW - TOP),
        )

    def panel(self, name: str, lines: dict[str, list[Point]]) -> Iterator[str]:
        """Draw the panel of the use case *name*."""
        yield f'<text x="{LEFT}" y="{TOP - 6}">{name}</text>'
        for power in range(self.low, self.high + 1):
            _, y = self.at((self.marks[0], 10.0**power))
            yield (
                f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
                f'<text x="{LEFT - 4}" y="{y + 4:.1f}" text-anchor="end">{_short(10**power)}</text>'
            )
        for mark in self.marks:
            x, _ = self.at((mark, 10.0**self.low))
            yield f'<text x="{x:.1f}" y="{HEIGHT - 4}" text-anchor="middle">{_short(mark)}</text>'
        # Ekiben last: no other line hides it.
        for server in sorted(lines, key=lambda one: one == EKIBEN):
            yield _line(server, [self.at(one) for one in lines[server]])


def _short(number: float) -> str:
    """Return *number* as an axis has it, such as `10k`."""
    for unit, name in ((1_000_000, "M"), (1000, "k")):
        if number >= unit:
            return f"{number / unit:g}{name}"
    return f"{number:g}"
