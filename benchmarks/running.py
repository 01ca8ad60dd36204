"""How a server's process is started, awaited, looked at and stopped."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil

from benchmarks.affinity import pinned
from benchmarks.keys import live_key
from benchmarks.servers import ROOT, Server
from ekiben.errors import EkibenError

START_SECONDS = 120.0
STOP_SECONDS = 20.0
REST_SECONDS = 30.0
LOOK_SECONDS = 0.25
RESTING_SHARE = 0.1
"""Of one processor; what an idle server's timers take is less."""
IDLE_SPREAD = 1.5
"""So many times what a peer takes when idle it may take in one look and still rest."""
IDLE_SECONDS = 1.0
READY_LOOK_SECONDS = 0.02
MEBIBYTE = 1024 * 1024


class StartFailed(EkibenError):
    """A server ended, or was not ready in time; carries the end of what it printed."""


@dataclass(frozen=True)
class Running:
    """A server that is ready."""

    server: Server
    url: str
    process: psutil.Process
    key: str = ""
    """What it lets its clients in by."""
    start_seconds: float = 0.0
    """From the start of the process to the first 200 of its readiness probe."""

    idle_share: float = 0.0
    """Of one processor; some peers poll, and never rest."""

    def predict_url(self, use_case: str) -> str:
        """Return the address of a predict endpoint."""
        return self.url + self.server.dialect.path.format(use_case=use_case)

    def memory_mib(self) -> float:
        """Return the memory of its processes together, in MiB.

        What several share counts once, where the system tells.
        """
        return sum(map(_memory, self._tree())) / MEBIBYTE

    def worker_mib(self) -> float:
        """Return the memory of its largest process in MiB: the one with the models."""
        return max(map(_memory, self._tree())) / MEBIBYTE

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
            if worked - before < LOOK_SECONDS * (
                self.idle_share * IDLE_SPREAD + RESTING_SHARE
            ):
                return

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@contextmanager
def running(server: Server, cpus: set[int], log: Path) -> Iterator[Running]:
    """Run *server* on *cpus* for the length of a `with` block; it prints into *log*.

    Raises:
        StartFailed: it did not become ready.
    """
    with live_key(asked=server.asks_for_key) as key:
        began = time.monotonic()
        with _process(server, cpus, log) as (process, url):
            _await_ready(server, process, url, log)
            took = time.monotonic() - began
            one = Running(server, url, psutil.Process(process.pid), key, took)
            yield replace(one, idle_share=_idle_share(one)) if server.peer else one


def _idle_share(one: Running) -> float:
    before = one.worked()
    time.sleep(IDLE_SECONDS)
    return (one.worked() - before) / IDLE_SECONDS


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
        if _is_ready(url + server.dialect.ready):
            return
        time.sleep(READY_LOOK_SECONDS)
    printed = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise StartFailed(f"{server.title} {reason}\n{printed}")


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End *process* and its children: asked first, killed when they do not listen."""
    children = _children(process.pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_SECONDS)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    # Some servers give their processes groups of their own.
    for one in psutil.wait_procs(children, timeout=STOP_SECONDS)[1]:
        one.kill()


def _children(pid: int) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
        return found
    except psutil.NoSuchProcess:
        return []


def _memory(process: psutil.Process) -> int:
    try:
        found = process.memory_full_info()
    except psutil.Error:
        return 0
    # macOS tells no proportional share.
    memory: int = getattr(found, "pss", found.uss)
    return memory


def _worked(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    children = times.children_user + times.children_system
    return float(times.user + times.system + children)
