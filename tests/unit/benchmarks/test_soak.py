"""What a soak finds wrong, and what it lets pass."""

import random
from pathlib import Path

import numpy as np
import pytest

from benchmarks.soak_plot import page
from benchmarks.soak_samples import Samples
from benchmarks.soak_traffic import Traffic
from benchmarks.soak_verdict import Verdict, fitted, judge
from ekiben.use_cases.catalog import USE_CASES

HOUR = 3600.0


def soaked(
    *, mib_per_hour: float = 0.0, fds_per_hour: float = 0.0, slower: float = 1.0
) -> tuple[Samples, Traffic]:
    """Return an hour of samples and requests with the given faults."""
    rng = np.random.default_rng(0)
    traffic = Traffic("http://x", Path(), USE_CASES, random.Random(0))
    samples = Samples()
    for second in np.arange(0.0, HOUR, 10.0):
        share = second / HOUR
        noise = float(rng.normal(0, 0.2))
        samples.seconds.append(float(second))
        samples.memory_mib.append(500 + mib_per_hour * share + noise)
        samples.descriptors.append(40 + int(fds_per_hour * share))
        samples.threads.append(20)
        samples.processes.append(2)
        samples.metrics_lines.append(150)
        samples.metrics_mib.append(0.2)
        took = 0.01 * (1 + (slower - 1) * share)
        traffic.times.append((float(second), took))
    return samples, traffic


def verdict(**faults: float) -> Verdict:
    samples, traffic = soaked(**faults)
    return judge(samples, traffic, warm_up=HOUR / 10)


def failed(found: Verdict) -> list[str]:
    return [name for name, _, held in found.checks() if held is False]


def test_a_steady_server_passes() -> None:
    found = verdict()

    assert found.passed
    assert failed(found) == []


@pytest.mark.parametrize(
    ("faults", "named"),
    [
        pytest.param({"mib_per_hour": 5.0}, ["memory"], id="leaks-memory"),
        pytest.param({"fds_per_hour": 30.0}, ["descriptors"], id="leaks-descriptors"),
        pytest.param({"slower": 1.5}, ["p99"], id="gets-slower"),
    ],
)
def test_what_grows_fails(faults: dict[str, float], named: list[str]) -> None:
    found = verdict(**faults)

    assert failed(found) == named
    assert not found.passed


def test_an_unexplained_answer_fails() -> None:
    samples, traffic = soaked()
    traffic.unexplained.append("good: 500 internal")

    found = judge(samples, traffic, warm_up=0)

    assert failed(found) == ["unexplained answers"]


def test_a_short_soak_does_not_judge_slopes() -> None:
    samples, traffic = soaked(mib_per_hour=50.0)

    found = judge(samples, traffic, warm_up=HOUR * 0.9)

    held = {name: one for name, _, one in found.checks()}
    assert held["memory"] is None
    assert found.passed


def test_the_slope_is_that_of_the_line() -> None:
    x = np.arange(10.0)

    assert fitted(x, 3 * x + 1) == pytest.approx((3.0, 0.0), abs=1e-9)


def test_the_page_shows_every_check_and_needs_no_other_file() -> None:
    samples, traffic = soaked()
    found = judge(samples, traffic, warm_up=0)

    html = page(found, samples, traffic)

    for name, _, _ in found.checks():
        assert name in html
    assert html.count("<svg") == 4
    assert "http" not in html
