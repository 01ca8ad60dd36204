"""A soak on one page: the verdict, and what was seen over time as plain SVG."""

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from benchmarks.soak_samples import Samples
from benchmarks.soak_traffic import Traffic
from benchmarks.soak_verdict import Verdict

WIDTH, HEIGHT, LEFT, LOW = 760, 180, 60, 24
BUCKETS = 60
"""Stretches of time whose p99 is drawn; each holds some hundred requests."""
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Soak</title>
<style>
body {{ font: 15px system-ui, sans-serif; margin: 2em auto; width: 760px; }}
polyline {{ fill: none; stroke: #8c2f1b; stroke-width: 1.5; }}
line {{ stroke: #bbb; }} text {{ font-size: 12px; fill: #444; }}
td {{ padding: .1em 1em .1em 0; }}
</style>
<h1>Soak</h1>
<table>{rows}</table>
{plots}
</html>
"""


def page(verdict: Verdict, samples: Samples, traffic: Traffic) -> str:
    """Return the page as HTML; it needs no other file."""
    words = {True: "ok", False: "failed", None: "too short to tell"}
    rows = "".join(
        f"<tr><td>{escape(name)}<td>{escape(stated)}<td>{words[held]}"
        for name, stated, held in verdict.checks()
    )
    series: dict[str, Sequence[float]] = {
        "Memory of all processes, MiB": samples.memory_mib,
        "File descriptors": samples.descriptors,
        "Threads": samples.threads,
    }
    plots = [svg(name, samples.seconds, values) for name, values in series.items()]
    times, latencies = zip(*p99_over_time(traffic), strict=True)
    plots.append(svg("p99 of good requests, ms", times, latencies))
    return PAGE.format(rows=rows, plots="\n".join(plots))


def p99_over_time(traffic: Traffic) -> Iterator[tuple[float, float]]:
    """Yield the middle of each stretch of time in seconds, and its p99 in ms."""
    times = np.array(sorted(traffic.times))
    for stretch in np.array_split(times, BUCKETS):
        if len(stretch):
            yield (
                float(stretch[:, 0].mean()),
                float(np.quantile(stretch[:, 1], 0.99)) * 1000,
            )


def svg(title: str, seconds: Sequence[float], values: Sequence[float]) -> str:
    """Return one quantity over minutes, from zero, with its largest and last value."""
    most, end = max(*values, 1e-9), max(*seconds, 1e-9)
    inner_x, inner_y = WIDTH - LEFT - 10, HEIGHT - 2 * LOW
    base = HEIGHT - LOW
    points = " ".join(
        f"{LEFT + at / end * inner_x:.1f},{base - value / most * inner_y:.1f}"
        for at, value in zip(seconds, values, strict=True)
    )
    return (
        f"<h2>{escape(title)}</h2>"
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img">'
        f'<line x1="{LEFT}" y1="{base}" x2="{WIDTH}" y2="{base}"/>'
        f'<line x1="{LEFT}" y1="{LOW}" x2="{LEFT}" y2="{base}"/>'
        f'<text x="2" y="{LOW + 4}">{most:.0f}</text><text x="2" y="{base}">0</text>'
        f'<text x="{WIDTH - 90}" y="{HEIGHT - 6}">{end / 60:.1f} minutes</text>'
        f'<text x="{WIDTH - 90}" y="{LOW - 8}">last {values[-1]:.0f}</text>'
        f'<polyline points="{points}"/></svg>'
    )
