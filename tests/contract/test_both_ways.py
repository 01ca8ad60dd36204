"""A server that answers on the connection and one that starts a task say the same, to the byte."""

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.use_case import UseCase
from tests.faults.conftest import PATCHED, home_beside
from tests.faults.raw import JSON, connect, request
from tests.servers import Server, serve

pytestmark = pytest.mark.server

WARNING = "uvicorn is not as known"
NEW = re.compile(
    rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{32}\b|(?<=\r\ndate: )[^\r]+"
)
"""Ids, and the time."""


@pytest.fixture(scope="module")
def ordinary(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Ekiben on a uvicorn that lacks what the short way leans on."""
    other = home_beside(home, tmp_path_factory.mktemp("ordinary"))
    with serve(other, target=PATCHED, extra={"FAULT": "no-short-way"}) as running:
        yield running


def answer(opened: socket.socket, sent: bytes) -> bytes:
    """Send one request and return the bytes of its answer, with `CLOSED` if that followed."""
    opened.sendall(sent)
    return _read(opened, b"")


def _read(opened: socket.socket, raw: bytes) -> bytes:
    while b"\r\n\r\n" not in raw:
        raw += _more(opened)
    head, _, body = raw.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return head + _read(opened, body)
    (length,) = re.findall(rb"\r\ncontent-length: (\d+)", head)
    while len(body) < int(length):
        body += _more(opened)
    closed = b"\r\nconnection: close" in head and opened.recv(1) == b""
    return head + b"\r\n\r\n" + body + b"CLOSED" * closed


def _more(opened: socket.socket) -> bytes:
    part = opened.recv(65536)
    assert part, "the server closed without an answer"
    return part


def bodies(use_case: UseCase) -> dict[str, bytes]:
    """Return good and bad bodies for *use_case*."""
    row, *_ = examples = use_case.examples
    field = next(iter(row))
    twice = json.dumps({"rows": [row]}).replace("[{", f'[{{"{field}": 1, ', 1)
    rows = {
        "one": [row],
        "all": examples,
        "many": examples * 20,
        "none": [],
        "too-many": [row] * 1001,
        "unknown": [{**row, "unknown": 1}],
        "missing": [{name: row[name] for name in row if name != field}],
        "null": [{**row, field: None}],
        "list": [{**row, field: [row[field]]}],
        "second-bad": [row, {**row, field: {}}],
    }
    found = {name: json.dumps({"rows": one}).encode() for name, one in rows.items()}
    more = {
        "empty": b"",
        "cut": found["one"][:-3],
        "two": found["one"] * 2,
        "not-utf-8": found["one"].replace(b"{", b"{\xff", 1),
        "nan": found["one"].replace(json.dumps(row[field]).encode(), b"NaN", 1),
        "twice": twice.encode(),
        "nested": b'{"rows":' + b"[" * 300 + b"]" * 300 + b"}",
        "others": b'{"rows": 1}',
    }
    return found | more


def requests(use_case: UseCase) -> dict[str, bytes]:
    """Return a request's bytes by name: every body, and one good body with other heads."""
    line = f"POST /v1/{use_case.name}/predict".encode()

    def asked(body: bytes, *headers: bytes, kind: bytes = JSON) -> bytes:
        length = b"Content-Length: %d\r\n" % len(body)
        return request(line, kind, length, *headers, body=body)

    each = bodies(use_case)
    good = each["one"]
    heads = {
        "own-id": asked(good, b"X-Request-ID: abc-1\r\n"),
        "bad-id": asked(good, b"X-Request-ID: a b\r\n"),
        "refused-with-own-id": asked(b"{", b"X-Request-ID: abc-1\r\n"),
        "deadline": asked(good, b"X-Deadline-Ms: 60000\r\n"),
        "bad-deadline": asked(good, b"X-Deadline-Ms: 1.5\r\n"),
        "close": asked(good, b"Connection: close\r\n"),
        "waits": asked(good, b"Expect: 100-continue\r\n"),
        "charset": asked(good, kind=b"Content-Type: application/json;charset=utf-8\r\n"),
        "text": asked(good, kind=b"Content-Type: text/plain\r\n"),
        "no-kind": asked(good, kind=b""),
        "gzip": asked(good, b"Content-Encoding: gzip\r\n"),
        "get": request(b"GET" + line[4:]),
        "put": asked(good).replace(b"POST", b"PUT", 1),
        "query": asked(good).replace(b"/predict", b"/predict?a=b", 1),
        "chunked": request(
            line, JSON, b"Transfer-Encoding: chunked\r\n",
            body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(good), good),
        ),
    }  # fmt: skip
    return {name: asked(body) for name, body in each.items()} | heads


def test_one_of_the_two_takes_the_short_way(server: Server, ordinary: Server) -> None:
    assert WARNING not in server.output.read_text()
    assert WARNING in ordinary.output.read_text()


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda one: one.name)
def test_every_request_gets_the_same_bytes_on_both_ways(
    server: Server, ordinary: Server, use_case: UseCase
) -> None:
    with contextlib.ExitStack() as stack:
        for name, sent in requests(use_case).items():
            found = []
            for one in (server, ordinary):
                opened = stack.enter_context(connect(one.url, timeout=30))
                found.append(NEW.sub(b"NEW", answer(opened, sent)))

            assert found[0] == found[1], name
