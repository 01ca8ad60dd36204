"""HTTP by hand, for what no HTTP client sends."""

import contextlib
import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.servers import PATIENCE

HOST = b"Host: test\r\n"
JSON = b"Content-Type: application/json\r\n"


@dataclass(frozen=True)
class Answers:
    """Everything that came back, and whether the server closed."""

    raw: bytes
    closed: bool

    @property
    def statuses(self) -> list[int]:
        lines = self.raw.split(b"\r\n")
        return [int(one[9:12]) for one in lines if one.startswith(b"HTTP/1.1 ")]

    @property
    def status(self) -> int:
        (status,) = self.statuses
        return status

    def problem(self) -> dict[str, Any]:
        """Return the one answer's problem, its form checked."""
        head, _, body = self.raw.partition(b"\r\n\r\n")
        problem: dict[str, Any] = json.loads(body)
        assert b"content-type: application/problem+json" in head
        assert problem["status"] == self.status
        assert b"x-request-id: " + problem["request_id"].encode() in head
        assert b"\r\nserver:" not in head
        return problem


def connect(url: str, timeout: float = 10) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout)


def read_all(opened: socket.socket) -> Answers:
    """Read until the server closes or says nothing for the socket's timeout."""
    parts = []
    try:
        while part := opened.recv(65536):
            parts.append(part)
    except TimeoutError:
        return Answers(b"".join(parts), closed=False)
    except ConnectionError:
        pass
    return Answers(b"".join(parts), closed=True)


def say(
    url: str, sent: bytes, timeout: float = 1, patience: float = PATIENCE
) -> Answers:
    """Send *sent* on a new connection and return all that comes back.

    The answer may take *patience*; *timeout* is the silence after it that ends the wait.
    """
    with connect(url, patience) as opened:
        with contextlib.suppress(ConnectionError):
            opened.sendall(sent)
        with contextlib.suppress(OSError):
            opened.recv(1, socket.MSG_PEEK)
        opened.settimeout(timeout)
        return read_all(opened)


def request(
    line: bytes, *headers: bytes, body: bytes = b"", host: bytes = HOST
) -> bytes:
    """Return a request's bytes; *line* without version, each header with its line end."""
    return line + b" HTTP/1.1\r\n" + host + b"".join(headers) + b"\r\n" + body
