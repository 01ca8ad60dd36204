"""Whether a soak was passed: slopes by least squares, shares of growth, what went wrong."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.soak_samples import Samples
from benchmarks.soak_traffic import Traffic

Floats = NDArray[np.float64]

MOST_MIB_PER_HOUR = 1.0
MOST_METRICS_MIB = 4.0
MOST_P99_DRIFT = 0.10
FLAT = 3
"""Descriptors or threads that the medians of the two halves may lie apart."""
SHORT_HOURS = 0.4
"""A slope over less time than this says little: the verdict then only states it."""


@dataclass(frozen=True)
class Verdict:
    """What was found, each figure beside whether it is within its limit."""

    hours: float
    mib_per_hour: float
    mib_per_hour_error: float
    descriptors_grown: float
    threads_grown: float
    metrics_lines_grown: float
    metrics_mib: float
    p99_first_ms: float
    p99_last_ms: float
    unexplained: int

    @property
    def p99_drift(self) -> float:
        """By what share the last third's p99 is over the first's."""
        return self.p99_last_ms / self.p99_first_ms - 1

    def checks(self) -> Iterator[tuple[str, str, bool | None]]:
        """Yield name, figure, and whether it holds; None: too short to tell."""
        long = self.hours >= SHORT_HOURS
        error = 2 * self.mib_per_hour_error
        slope = f"{self.mib_per_hour:+.2f} ± {error:.2f} MiB/h"
        flat = self.mib_per_hour - error < MOST_MIB_PER_HOUR
        yield "memory", slope, flat if long else None
        for name, by in (
            ("descriptors", self.descriptors_grown),
            ("threads", self.threads_grown),
            ("metrics lines", self.metrics_lines_grown),
        ):
            yield name, f"{by:+.0f}", by <= FLAT
        most = self.metrics_mib
        yield "metrics files", f"{most:.2f} MiB", most < MOST_METRICS_MIB
        drift = f"{self.p99_first_ms:.0f} to {self.p99_last_ms:.0f} ms"
        steady = self.p99_drift < MOST_P99_DRIFT
        yield "p99", f"{drift} ({self.p99_drift:+.0%})", steady if long else None
        yield "unexplained answers", str(self.unexplained), self.unexplained == 0

    @property
    def passed(self) -> bool:
        """Whether nothing is over its limit."""
        return all(held is not False for _, _, held in self.checks())

    def lines(self) -> list[str]:
        """Return one line per check."""
        words = {True: "ok", False: "FAILED", None: "too short to tell"}
        return [
            f"{name:20} {stated:32} {words[h]}" for name, stated, h in self.checks()
        ]


def judge(samples: Samples, traffic: Traffic, *, warm_up: float) -> Verdict:
    """Judge what came after *warm_up* seconds."""
    seconds = np.array(samples.seconds)
    after = seconds > warm_up
    slope, error = fitted(
        seconds[after] / 3600, np.array(samples.memory_mib, dtype=float)[after]
    )
    took = np.array([one for one in sorted(traffic.times) if one[0] > warm_up])
    thirds = np.array_split(took[:, 1], 3)
    return Verdict(
        hours=float(seconds[-1] - warm_up) / 3600,
        mib_per_hour=slope,
        mib_per_hour_error=error,
        descriptors_grown=grown(np.array(samples.descriptors, dtype=float)[after]),
        threads_grown=grown(np.array(samples.threads, dtype=float)[after]),
        metrics_lines_grown=grown(np.array(samples.metrics_lines, dtype=float)[after]),
        metrics_mib=max(samples.metrics_mib),
        p99_first_ms=float(np.quantile(thirds[0], 0.99)) * 1000,
        p99_last_ms=float(np.quantile(thirds[-1], 0.99)) * 1000,
        unexplained=len(traffic.unexplained),
    )


def fitted(x: Floats, y: Floats) -> tuple[float, float]:
    """Return the slope of *y* over *x* by least squares, and its standard error."""
    slope, intercept = np.polyfit(x, y, 1)
    rest = y - (slope * x + intercept)
    spread = float(((x - x.mean()) ** 2).sum())
    error = float(np.sqrt((rest**2).sum() / max(1, len(x) - 2) / spread))
    return float(slope), error


def grown(values: Floats) -> float:
    """Return by how much the median of the second half is over that of the first."""
    first, second = np.array_split(values, 2)
    return float(np.median(second) - np.median(first))
