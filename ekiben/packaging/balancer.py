"""The balancer of a deployment: one HAProxy, kept running, told of each change while it runs."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ekiben.errors import DeployFailed, DeployRefused
from ekiben.packaging.haproxy import (
    ADMIN,
    PRIVATE_DOOR,
    SLOT_HEADER,
    Server,
    commands,
    configuration,
)
from ekiben.packaging.kept import Kept, Program
from ekiben.registry.files import replace_file

FILE = "haproxy.cfg"
STOP_SECONDS = 25.0
ASK_SECONDS = 15.0
UP_SECONDS = 10.0
DOOR_CLOSED = "the balancer does not answer"
RUNNING, PASSED = 2, 3
CLOSED = ~4
"""Of the administrative states, all but that the configuration began with another."""
REFUSALS = ("No such", "Unknown command", "Can't", "Require")


@dataclass(frozen=True)
class Answer:
    """What came back of a request; status 0: no connection."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Balancer:
    """HAProxy in *directory*, at the public address *host* and *port*."""

    directory: Path
    host: str
    port: int

    @property
    def kept(self) -> Kept:
        """The running program."""
        return Kept(self.directory)

    def align(self, servers: Sequence[Server]) -> None:
        """Let the balancer, now and whenever it starts again, stand where *servers* are.

        Starts it if it does not run.

        Raises:
            DeployRefused: HAProxy is not installed, or refuses the address.
            DeployFailed: it does not do as it is told.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        content = configuration(self.host, self.port, servers).encode()
        replace_file(
            self.directory / FILE, content, scratch=self.directory / "haproxy.new"
        )
        if self.kept.keeper_pid is None or self.kept.pid is None:
            self._start()
        self._tell(commands(servers))

    def wait_until_up(self, slot: int) -> bool:
        """Whether the balancer finds the server of *slot* ready, in time."""
        until = time.monotonic() + UP_SECONDS
        while time.monotonic() < until:
            # A balancer that is just starting again does not answer yet.
            with contextlib.suppress(DeployFailed):
                if self.is_up(slot):
                    return True
            time.sleep(0.1)
        return False

    def is_up(self, slot: int) -> bool:
        """Whether the balancer has asked the server of *slot* for its state, and it is ready."""
        for line in self._ask("show servers state live").splitlines():
            found = line.split()
            if len(found) > 12 and found[3] == f"r{slot}":
                running, admin, check = (int(found[at]) for at in (5, 6, 11))
                return running == RUNNING and check == PASSED and not admin & CLOSED
        return False

    def ask_public(
        self, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Ask whoever the balancer picks, as a client would."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        connection = http.client.HTTPConnection(host, self.port, timeout=ASK_SECONDS)
        return _ask(connection, path, body, headers)

    def ask_one(
        self, slot: int, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Ask the server of *slot*, at the balancer's private door."""
        connection = _SocketConnection(self.directory)
        return _ask(connection, path, body, {**headers, SLOT_HEADER: str(slot)})

    def stop(self) -> None:
        """Close the door, let what is in flight finish, end."""
        self.kept.ask_to_end()
        self.kept.wait_for_end()

    def _start(self) -> None:
        command = [haproxy(), "-db", "-f", FILE]
        program = Program(command, signal.SIGUSR1, STOP_SECONDS)
        ends = self.kept.ends
        self.kept.start(program, {"PATH": os.environ.get("PATH", os.defpath)})
        until = time.monotonic() + ASK_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(DeployFailed):
                if self._ask("show info"):
                    return
            if self.kept.ends > ends:
                break
            time.sleep(0.1)
        words = self.kept.last_words
        self.kept.ask_to_end()
        self.kept.wait_for_end()
        raise DeployRefused(f"the balancer does not start: {words}")

    def _tell(self, told: Sequence[str]) -> None:
        answer = self._ask("; ".join(told))
        for line in answer.splitlines():
            if line.startswith(REFUSALS):
                raise DeployFailed(f"the balancer refused: {line}")

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(ASK_SECONDS)
            try:
                connect(asking, self.directory, ADMIN)
                asking.sendall(command.encode() + b"\n")
                parts = iter(lambda: asking.recv(65536), b"")
                return b"".join(parts).decode()
            except OSError as error:
                raise DeployFailed(f"{DOOR_CLOSED}: {error}") from None


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over the balancer's private door."""

    def __init__(self, directory: Path) -> None:
        super().__init__("localhost", timeout=ASK_SECONDS)
        self._directory = directory

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        connect(self.sock, self._directory, PRIVATE_DOOR)


def connect(asking: socket.socket, directory: Path, name: str) -> None:
    """Connect to the socket file *name*; its whole path may be longer than one may be."""
    with contextlib.chdir(directory):
        asking.connect(name)


def haproxy() -> str:
    """Return HAProxy's program.

    Raises:
        DeployRefused: it is not installed.
    """
    # Debian puts it where only root looks.
    found = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if found is None:
        raise DeployRefused("HAProxy is not installed; it balances between replicas")
    return found


def _ask(
    connection: http.client.HTTPConnection,
    path: str,
    body: bytes | None,
    headers: Mapping[str, str],
) -> Answer:
    given = {**headers, "Connection": "close"}
    if body is not None:
        given["Content-Type"] = "application/json"
    try:
        connection.request("GET" if body is None else "POST", path, body, given)
        answer: Any = connection.getresponse()
        return Answer(answer.status, answer.read())
    except (OSError, http.client.HTTPException):
        return Answer(0, b"")
    finally:
        connection.close()
