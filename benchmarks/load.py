"""The load: wrk in a closed loop where it is installed, else our own client; an open loop."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.affinity import pinned
from ekiben.errors import EkibenError

SCRIPT = Path(__file__).with_name("post.lua")
INSTALL_WRK = (
    "wrk is not installed (Debian, Ubuntu: apt-get install wrk; macOS: brew install wrk)."
    " Python's own client is used: it slows the fastest servers down."
)
JSON = "application/json"
PATIENCE = 30.0
"""Seconds beyond the load's own after which a client counts as hanging."""


class LoadFailed(EkibenError):
    """The load client ended without figures, or hangs."""


@dataclass(frozen=True)
class Figures:
    """What one load saw; *broken* are connections that failed, were cut or timed out."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    non_2xx: int
    broken: int
    lag_ms: float = 0.0
    """By how much an open loop's client itself sent too late, at the p99."""
    stolen: float | None = None
    """Share of the processors' time that others took meanwhile; None: nobody knows."""

    @property
    def answered(self) -> float:
        """Requests a second that were answered with 2xx."""
        return (self.requests - self.non_2xx) / self.seconds


def client_name() -> str:
    """Return which client makes the load here."""
    return "wrk" if shutil.which("wrk") else "python"


@dataclass(frozen=True)
class Destination:
    """Where a load goes: to *url*, with what `body_file.write` wrote into *bodies*.

    The client runs on the processors *cpus* and sends *key* if there is one.
    """

    url: str
    bodies: Path
    cpus: set[int]
    key: str = ""
    content_type: str = JSON


def command(to: Destination, connections: int, seconds: float) -> list[str]:
    """Return the command that makes the load and prints its figures as JSON."""
    if not shutil.which("wrk"):
        client = [sys.executable, "-m", "benchmarks.client", to.url, str(to.bodies)]
        return [*client, str(connections), str(seconds), to.content_type, to.key]
    # wrk takes whole seconds.
    length = f"-d{max(1, round(seconds))}s"
    return [
        *("wrk", "-t1", f"-c{connections}", length, "--timeout", "10s"),
        *(("-H", f"Authorization: Bearer {to.key}") if to.key else ()),
        *("-s", str(SCRIPT), to.url),
        *("--", str(to.bodies), str(connections), to.content_type),
    ]


def put(to: Destination, connections: int, seconds: float) -> Figures:
    """Put a load on a server and return what it saw.

    Raises:
        LoadFailed: the client failed or printed no figures.
    """
    return measured(command(to, connections, seconds), seconds, to.cpus)


def offer(to: Destination, rate: float, seconds: float) -> Figures:
    """Send *rate* requests a second, whatever is answered: an open loop.

    Raises:
        LoadFailed: the client failed or printed no figures.
    """
    client = [sys.executable, "-m", "benchmarks.open_loop", to.url, str(to.bodies)]
    made = [*client, str(rate), str(seconds), to.content_type, to.key]
    return measured(made, seconds, to.cpus)


def measured(command: Sequence[str], seconds: float, cpus: set[int]) -> Figures:
    """Run *command*, which loads for *seconds*, on *cpus* and return what it printed.

    Raises:
        LoadFailed: it failed, hangs, or printed no figures.
    """
    with pinned(cpus):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    try:
        printed, _ = process.communicate(timeout=seconds + PATIENCE)
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"hangs: {' '.join(command[:4])}") from None
    finally:
        process.kill()
    return parse(printed.splitlines())


def parse(printed: Sequence[str]) -> Figures:
    """Return the figures of the one line of JSON among what a client printed.

    Raises:
        LoadFailed: there is none.
    """
    for line in reversed(printed):
        if line.startswith("{"):
            return Figures(**json.loads(line))
    raise LoadFailed("the load client failed: " + " / ".join(printed[-5:]))
