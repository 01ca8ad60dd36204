"""A load balancer for tests: HAProxy in front of servers that may come and go."""

import contextlib
import csv
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.servers import PATIENCE, free_port

CHECK_MILLISECONDS = 500
CONFIGURATION = """
global
    stats socket {socket} level admin
defaults
    mode http
    timeout connect 10s
    # A busy machine answers late; who is gone refuses at once.
    timeout check 10s
    timeout client 40s
    timeout server 40s
    # Nothing is tried twice: what a server loses, the client sees.
    retries 0
frontend door
    bind 127.0.0.1:{port}
    default_backend servers
backend servers
    balance roundrobin
    option httpchk GET /readyz
    http-check expect status 200
{servers}
"""


@dataclass(frozen=True)
class Balancer:
    """A running HAProxy."""

    url: str
    process: subprocess.Popen[bytes]
    door: Path
    """The socket where it says what it knows."""

    def wait(self) -> None:
        """Wait until a server behind it answers."""
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError("the balancer found no server")

    def wait_for(self, port: int) -> None:
        """Wait until a check of its own has found the server at *port* ready."""
        limit = time.monotonic() + PATIENCE
        while not self._found(port):
            assert time.monotonic() < limit, f"the balancer found no server at {port}"
            time.sleep(0.05)

    def _found(self, port: int) -> bool:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(str(self.door))
            asked.sendall(b"show stat\n")
            with asked.makefile() as told:
                rows = csv.DictReader(told.read().removeprefix("# ").splitlines())
        (one,) = [row for row in rows if row["svname"] == f"s{port}"]
        return one["status"] == "UP" and one["check_status"].endswith("L7OK")


@pytest.fixture(scope="session")
def haproxy() -> str:
    """The program; without it a test skips, but never in CI."""
    found = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if found:
        return found
    reason = "HAProxy is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def balance(
    program: str, ports: Sequence[int], directory: Path, check: int = CHECK_MILLISECONDS
) -> Iterator[Balancer]:
    """Balance between *ports*, each asked for /readyz every *check* ms, until the block ends."""
    port = free_port()
    servers = "\n".join(
        f"    server s{one} 127.0.0.1:{one} check inter {check} fall 1 rise 1"
        for one in ports
    )
    path = directory / f"haproxy-{port}.cfg"
    door = directory / f"haproxy-{port}.sock"
    path.write_text(CONFIGURATION.format(socket=door, port=port, servers=servers))
    process = subprocess.Popen([program, "-f", str(path)], stderr=subprocess.DEVNULL)
    try:
        yield Balancer(f"http://127.0.0.1:{port}", process, door)
    finally:
        process.send_signal(signal.SIGUSR1)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
