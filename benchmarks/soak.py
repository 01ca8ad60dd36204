"""A soak: mixed, bad, slow and broken-off traffic and swaps against one server; a verdict.

`python -m benchmarks.soak --minutes 30` starts a server of its own on a copy of the home
that BENTOML_HOME names, and writes var/soak/soak.json and soak.html.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.running import Running, running
from benchmarks.servers import ROOT, SERVERS
from benchmarks.soak_plot import page
from benchmarks.soak_samples import Samples, watch
from benchmarks.soak_traffic import Traffic
from benchmarks.soak_verdict import Verdict, judge
from ekiben.settings import Settings
from ekiben.use_cases.catalog import USE_CASES

DIRECTORY = ROOT / "var" / "soak"
SAMPLE_SECONDS = 2.0
WARM_UP_SHARE = 0.2
"""Of the whole time; in it caches fill and the allocator finds its size."""


@contextlib.contextmanager
def copied_home(source: Path) -> Iterator[Path]:
    """Copy the models and the ledger of *source*: the swaps must not move the original."""
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        for name in ("models", "ekiben"):
            shutil.copytree(source / name, Path(directory) / name)
        yield Path(directory)


async def soak(server: Running, home: Path, seconds: float) -> tuple[Traffic, Samples]:
    """Load and watch *server* for *seconds*."""
    traffic = Traffic(server.url, home, USE_CASES, random.Random(0))
    samples = Samples()
    watching = asyncio.create_task(
        watch(samples, server.process.pid, traffic, SAMPLE_SECONDS)
    )
    try:
        await traffic.run(seconds)
    finally:
        watching.cancel()
    return traffic, samples


def report(verdict: Verdict, traffic: Traffic, samples: Samples) -> None:
    """Write JSON and plot, and print what was found."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    facts = {
        "verdict": asdict(verdict),
        "sent": dict(sorted(traffic.counts.items())),
        "unexplained": traffic.unexplained[:50],
        "samples": asdict(samples),
    }
    (DIRECTORY / "soak.json").write_text(json.dumps(facts, indent=1))
    (DIRECTORY / "soak.html").write_text(page(verdict, samples, traffic))
    for name, count in sorted(traffic.counts.items()):
        print(f"{name:32} {count:>10}")
    for line in verdict.lines():
        print(line)
    print(f"plot and JSON: {DIRECTORY.relative_to(ROOT)}")


def main() -> int:
    """Run a soak; 0 when everything held, else 1."""
    parser = argparse.ArgumentParser(prog="benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    minutes = parser.parse_args().minutes
    ekiben = next(one for one in SERVERS if one.name == "ekiben")
    with copied_home(Settings.from_env().home) as home:
        here = replace(ekiben, environment=environment(home), asks_for_key=False)
        cpus = os.sched_getaffinity(0)
        with running(here, cpus, home / "serve.log") as server:
            start = time.monotonic()
            traffic, samples = asyncio.run(soak(server, home, minutes * 60))
            print(f"soaked {(time.monotonic() - start) / 60:.1f} minutes")
    verdict = judge(samples, traffic, warm_up=minutes * 60 * WARM_UP_SHARE)
    report(verdict, traffic, samples)
    return 0 if verdict.passed else 1


def environment(home: Path) -> dict[str, str]:
    """Return what the server is told: the copied home, and to follow its ledger."""
    return {"BENTOML_HOME": str(home), "EKIBEN_RELEASES": "follow"}


if __name__ == "__main__":
    sys.exit(main())
