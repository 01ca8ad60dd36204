"""Starts a real `bentoml serve`, waits until it is ready, and ends it by its process group."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

PROJECT = Path(__file__).parent.parent
START_SECONDS = 240.0
"""On a machine that does ten other things; a start takes 10 of them on one that does not."""
PATIENCE = 60.0
"""What a busy machine may take for what happens at once on an idle one, in seconds. Where
it does not happen at all, so long is enough to tell."""
STOP_SECONDS = 20.0
PROBE_SECONDS = "120"
"""What a version may take to load, where a test does not say it: a busy machine refuses none."""
FIRST_PORT = 10_240
PORTS = 5_000
"""As many for each of WORKERS, all below those of clients: 32,768 and up on Linux."""
WORKERS = 4
_given: set[int] = set()
"""Ports that `free_port` has returned: on some of them nobody listens yet."""


@dataclass(frozen=True)
class Server:
    """A running server: where it answers, its process, what it printed."""

    url: str
    process: subprocess.Popen[bytes]
    output: Path
    headers: Mapping[str, str] = field(default_factory=dict)
    """What every request brings, such as a key."""

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, headers=self.headers)

    def workers(self) -> list[int]:
        """Return the ids of the worker processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(one) for one in children.read_text().split()]


def free_port() -> int:
    """Return a port that nobody listens on, another one each time.

    It is none that the system hands to clients, and none of a worker's that tests beside.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST_PORT + worker % WORKERS * PORTS
    while True:
        port = first + secrets.randbelow(PORTS)
        if port in _given:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment without our settings but *extra*, and patience, for a store at *home*."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("EKIBEN_")}
    kept.pop("PROMETHEUS_MULTIPROC_DIR", None)
    return {
        **kept,
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "EKIBEN_PROBE_SECONDS": PROBE_SECONDS,
        **(extra or {}),
    }


@contextlib.contextmanager
def serve(
    home: Path,
    *,
    target: str = "service:Ekiben",
    cwd: Path = PROJECT,
    extra: Mapping[str, str] | None = None,
    ready: bool = True,
    port: int | None = None,
    wait: bool = True,
    prefix: Sequence[str] = (),
) -> Iterator[Server]:
    """Serve *target* from *cwd* until the block ends; *ready* waits for /readyz, else /livez.

    Without *wait* the block begins while the server starts. *prefix* is what the command
    is run by, such as prlimit with its options.
    """
    port = port or free_port()
    output = home / f"serve-{port}.log"
    command = [*prefix, sys.executable, "-m", "bentoml", "serve", target]
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=cwd,
            # No balancer waits for most tests' servers to leave.
            env=environment(home, {"EKIBEN_DRAIN_SECONDS": "0"} | dict(extra or {})),
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", process, output)
    try:
        if wait:
            wait_until_up(server, "/readyz" if ready else "/livez")
        yield server
    finally:
        stop(process)


def wait_until_up(server: Server, path: str) -> None:
    """Wait for 200 on *path*; what was printed is in the error."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if server.process.poll() is not None:
            break
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(server.url + path, timeout=2).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"no 200 on {path}:\n{server.output.read_text()[-4000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process group of *process*: asked first, then killed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
