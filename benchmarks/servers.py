"""The servers that race, and how each is started, awaited and stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from benchmarks.affinity import pinned
from benchmarks.keys import live_key
from ekiben.errors import EkibenError

ROOT = Path(__file__).parent.parent
START_SECONDS = 120.0
STOP_SECONDS = 20.0
REST_SECONDS = 30.0
LOOK_SECONDS = 0.25
RESTING_SHARE = 0.1
"""Of one processor; what an idle server's timers take is less."""
MEBIBYTE = 1024 * 1024

BENTOML = ("-m", "bentoml", "serve")
UVICORN = ("-m", "uvicorn", "--factory", "--no-access-log", "--log-level", "warning")
IN_C = ("--loop", "uvloop", "--http", "httptools")


@dataclass(frozen=True)
class Server:
    """One way to serve the same versions, with one worker."""

    name: str
    title: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    asks_for_key: bool = False

    def command(self, port: int) -> list[str]:
        """Return the command that serves on *port* of the loopback address."""
        address = ("--host", "127.0.0.1", "--port", str(port))
        return [sys.executable, *self.arguments, *address]


SERVERS = (
    # As it is shipped for a network: a key on every request, guard, metrics and log on.
    Server(
        "ekiben",
        "Ekiben",
        (*BENTOML, "service:Ekiben"),
        {"EKIBEN_AUTH": "required"},
        asks_for_key=True,
    ),
    Server(
        "bento-path",
        "Ekiben via BentoML",
        (*BENTOML, "service:Ekiben"),
        {"EKIBEN_FAST_ROUTE": "false"},
    ),
    Server(
        "tuned",
        "FastAPI tuned",
        (*UVICORN, *IN_C, "benchmarks.baselines.tuned:make_app"),
    ),
    Server(
        "tutorial",
        "FastAPI tutorial",
        (*UVICORN, "benchmarks.baselines.tutorial:make_app"),
    ),
    Server(
        "stock",
        "BentoML as it is",
        (*BENTOML, "benchmarks.baselines.stock:Stock"),
    ),
)


class StartFailed(EkibenError):
    """A server ended, or was not ready in time; carries the end of what it printed."""


@dataclass(frozen=True)
class Running:
    """A server that is ready."""

    url: str
    process: psutil.Process
    key: str = ""
    """What it lets its clients in by."""

    def memory_mib(self) -> float:
        """Return the resident memory of its processes together, in MiB."""
        return sum(map(_resident, self._tree())) / MEBIBYTE

    def worked(self) -> float:
        """Return the processor seconds of its processes together."""
        return sum(map(_worked, self._tree()))

    def await_rest(self) -> None:
        """Wait until it does nothing any more, REST_SECONDS at most.

        Requests whose client has left are still answered by most servers; a slow one
        would carry them into the next measurement.
        """
        end = time.monotonic() + REST_SECONDS
        worked = self.worked()
        while time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
            before, worked = worked, self.worked()
            if worked - before < LOOK_SECONDS * RESTING_SHARE:
                return

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@contextmanager
def running(server: Server, cpus: set[int], log: Path) -> Iterator[Running]:
    """Run *server* on *cpus* for the length of a `with` block; it prints into *log*.

    Raises:
        StartFailed: it did not become ready.
    """
    with live_key(asked=server.asks_for_key) as key, _process(server, cpus, log) as one:
        process, url = one
        _await_ready(server, process, url, log)
        yield Running(url, psutil.Process(process.pid), key)


@contextmanager
def _process(
    server: Server, cpus: set[int], log: Path
) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Start a server's process and end it; gives where it will answer, too."""
    port = free_port()
    with log.open("wb") as output, pinned(cpus):
        process = subprocess.Popen(
            server.command(port),
            cwd=ROOT,
            env={**os.environ, **server.environment, "BENTOML_DO_NOT_TRACK": "true"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        stop(process)


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_ready(
    server: Server, process: "subprocess.Popen[bytes]", url: str, log: Path
) -> None:
    end = time.monotonic() + START_SECONDS
    reason = "was not ready in time"
    while time.monotonic() < end:
        if process.poll() is not None:
            reason = f"ended with {process.returncode}"
            break
        if _is_ready(url):
            return
        time.sleep(0.1)
    printed = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise StartFailed(f"{server.title} {reason}\n{printed}")


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End the process group of *process*: asked first, killed when it does not listen."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _resident(process: psutil.Process) -> int:
    try:
        memory: int = process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0
    return memory


def _worked(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
