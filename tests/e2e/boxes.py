"""A container as it is run in earnest: nothing to write on, no rights, no network."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from ekiben.packaging.containers import Confinement, Container, Engine

PEPPER = "a pepper that only the tests have"
KEYS = "sqlite:////var/ekiben/keys.db"
"""In memory, so that the container needs nothing from outside; in earnest PostgreSQL."""
START_SECONDS = 300.0
FORWARD = Path(__file__).with_name("forward.py")


@dataclass(frozen=True)
class Box:
    """A running container, and where it answers on this host."""

    engine: Engine
    name: str
    url: str
    forwarder: subprocess.Popen[bytes]
    output: Path

    @property
    def container(self) -> Container:
        found = self.engine.container(self.name)
        assert found is not None
        return found

    def execute(self, *command: str) -> str:
        return self.engine.execute(self.name, command)

    def new_key(self, *scopes: str) -> str:
        """Make a key as an operator would; the server knows it within a second."""
        given = [part for scope in scopes for part in ("--scope", scope)]
        told = json.loads(self.execute("ekiben", "keys", "create", *given, "--json"))
        key: str = told["key"]
        return key

    def memory_peak(self) -> int | None:
        """Return the most bytes that its processes used; None where no cgroup tells."""
        for line in Path(f"/proc/{self.container.pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            root = (
                Path("/sys/fs/cgroup", controllers)
                if controllers
                else Path("/sys/fs/cgroup")
            )
            for name in ("memory.max_usage_in_bytes", "memory.peak"):
                file = root / path.lstrip("/") / name
                if file.is_file():
                    return int(file.read_text())
        return None


@contextlib.contextmanager
def hardened(
    engine: Engine,
    image: str,
    directory: Path,
    *,
    memory_megabytes: int = 512,
    extra: Mapping[str, str] | None = None,
) -> Iterator[Box]:
    """Run *image* confined and without a network until the block ends; ready at its begin."""
    if os.geteuid() != 0:
        pytest.skip("only root can ask a container that has no network")
    name = f"ekiben-e2e-{os.getpid()}-{directory.name}"
    given = {
        "EKIBEN_KEY_PEPPER": PEPPER,
        "EKIBEN_DATABASE_URL": KEYS,
        "EKIBEN_DRAIN_SECONDS": "0",
    }
    engine.run(
        image,
        name,
        environment=given | dict(extra or {}),
        confinement=Confinement(memory_megabytes=memory_megabytes),
        options=["--network=none"],
    )
    try:
        with forwarded(engine, name, directory) as running:
            yield running
    finally:
        engine.remove(name)


@contextlib.contextmanager
def forwarded(engine: Engine, name: str, directory: Path) -> Iterator[Box]:
    """Make the container's port reachable on this host, and wait until it is ready."""
    container = engine.container(name)
    assert container is not None
    assert container.running, engine.logs(name)
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        number = listening.fileno()
        network = f"--net=/proc/{container.pid}/ns/net"
        command = [
            "nsenter",
            network,
            sys.executable,
            str(FORWARD),
            str(number),
            "3000",
        ]
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with subprocess.Popen(command, pass_fds=[number]) as forwarder:
            box = Box(engine, name, url, forwarder, directory / "output.log")
            try:
                wait_until_ready(box)
                yield box
            finally:
                box.output.write_text(engine.logs(name, 500))
                forwarder.terminate()


def wait_until_ready(box: Box) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and box.container.running:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{box.url}/readyz", timeout=2).status_code == 200:
                return
        time.sleep(0.25)
    raise AssertionError(box.engine.logs(box.name))
