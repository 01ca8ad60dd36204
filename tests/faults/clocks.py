"""Servers and commands by false clocks: libfaketime, and how far a server's time is off."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from tests.faults.iris_home import QUICK, IrisHome
from tests.servers import Server, serve

SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""
"""Python sleeps until a time of the monotonic clock, which libfaketime takes for its own."""


@contextmanager
def with_a_clock(
    home: IrisHome, library: Path, clock: Path, **settings: str
) -> Iterator[Server]:
    """Serve by the time that the file *clock* says, with more *settings*.

    Only the time of day is false: Python waits by the monotonic clock itself, which
    libfaketime cannot hide from it, so that a false one would show our own waits wrong.
    """
    (clock.parent / "sitecustomize.py").write_text(SLEEP)
    extra = {
        "LD_PRELOAD": str(library),
        "PYTHONPATH": str(clock.parent),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "NO_FAKE_STAT": "1",  # else every compiled module looks outdated
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with serve(home.path, extra={**QUICK, **extra, **settings}) as running:
        yield running


def time_of(server: Server) -> datetime:
    return parsedate_to_datetime(httpx.get(f"{server.url}/livez").headers["date"])


def ahead(server: Server) -> float:
    """Return by how many seconds the server's clock is ahead of ours."""
    return (time_of(server) - datetime.now(UTC)).total_seconds()


def stopped_at(library: Path, moment: datetime) -> dict[str, str]:
    """Return an environment in which it is *moment* and stays it, whatever the zone."""
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{moment.timestamp():.0f}",
        "FAKETIME_FMT": "%s",
        "NO_FAKE_STAT": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
