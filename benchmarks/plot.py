"""The race as one picture: what each server answers when it is busy, as plain SVG."""

import math
from collections.abc import Iterator
from html import escape

from benchmarks.report import TITLES, is_busy
from benchmarks.results import Case, Results
from benchmarks.servers import BY_NAME
from benchmarks.targets import BUSY, EKIBEN

WIDTH, LEFT, RIGHT = 760, 170, 60
BAR, GAP, HEAD, TOP = 14, 3, 26, 44
OURS, OTHERS, LIMITS = "#8c2f1b", "#7d8ca3", "#d5d9e0"
STYLE = "text { font: 12px system-ui, sans-serif; fill: #333; } .group { font-weight: bold; }"


def svg(results: Results) -> str:
    """Return a bar a server and use case: requests a second, one row, at 32 connections.

    The axis is logarithmic: one gridline is ten times the one before. Empty groups are
    left out; a limit does only a part of the work, and is drawn pale.
    """
    cases = [one for one in results.cases if is_busy(one)]
    bars = [(case, list(_bars(results, case))) for case in cases]
    counts = [count for _, found in bars for _, count in found if count > 0]
    scale = _Scale(min(counts, default=1), max(counts, default=1))
    parts, y = [], float(TOP)
    for case, found in bars:
        parts.append(f'<text class="group" x="4" y="{y + 14}">{case.use_case}</text>')
        y += HEAD - 6
        for server, count in found:
            parts.append(_bar(server, count, scale, y))
            y += BAR + GAP
        y += 8
    return _page("".join([*scale.lines(y), *parts]), y + 8)


def _bars(results: Results, case: Case) -> Iterator[tuple[str, float]]:
    for server in results.servers:
        if found := results.find(server, case, "req_s"):
            yield server, found.median


class _Scale:
    """Whole powers of ten around what is drawn."""

    def __init__(self, least: float, most: float) -> None:
        self.low = math.ceil(math.log10(least)) - 1
        self.high = math.ceil(math.log10(most))

    def at(self, count: float) -> float:
        share = (math.log10(count) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def lines(self, bottom: float) -> Iterator[str]:
        for power in range(self.low, self.high + 1):
            x = self.at(10**power)
            yield (
                f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom:.0f}"'
                ' stroke="#ddd"/>'
                f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle">{10**power:,}</text>'
            )


def _bar(server: str, count: float, scale: _Scale, y: float) -> str:
    title = escape(TITLES.get(server, server))
    end = scale.at(count) if count > 0 else float(LEFT)
    limit = server in BY_NAME and BY_NAME[server].is_limit
    colour = OURS if server == EKIBEN else LIMITS if limit else OTHERS
    return (
        f'<text x="{LEFT - 6}" y="{y + 11}" text-anchor="end">{title}</text>'
        f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" fill="{colour}"/>'
        f'<text x="{end + 4:.1f}" y="{y + 11}">{count:,.0f}</text>'
    )


def _page(content: str, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}"'
        f' width="{WIDTH}" role="img"><style>{STYLE}</style>'
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="white"/>'
        f'<text class="group" x="4" y="16">Requests a second, one row each, {BUSY} connections'
        f" (logarithmic)</text>{content}</svg>\n"
    )
