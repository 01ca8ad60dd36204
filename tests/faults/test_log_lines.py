"""C-62: every line that a worker prints is one JSON object, whatever clients send."""

import json
import time
from typing import Any

import pytest

from ekiben.use_cases.catalog import USE_CASES
from tests.faults.lives import until
from tests.faults.raw import HOST, JSON, request, say
from tests.faults.test_internal_errors import ask_for_failure
from tests.servers import PATIENCE, Server

pytestmark = pytest.mark.server

FORGED = '{"level": "ERROR", "message": "forged"}'
SECRET = "s3cret-in-a-query"
HOSTILE = [
    request(b"GET /%0a%7b%22level%22%3a%20%22forged%22%7d"),
    request(b"GET /%1b%5b31mforged?key=" + SECRET.encode()),
    request(b"GET /a\x1b[31mforged"),
    request(b'GET /"},{"message":"forged'),
    request(b"GET /livez", b"X-Request-ID: a\x1b[31mforged\r\n"),
    request(b"GET /livez", b"X-Request-ID: " + FORGED.encode() + b"\r\n"),
    request(b"GET /livez", b"traceparent: 00-forged\r\n", b"User-Agent: \x1b[2J\r\n"),
    request(b"GET /livez", b"Authorization: Bearer " + SECRET.encode() + b"\r\n"),
    request(b"GET /" + b"a" * 9_000),
    b"\x1b[31m\n" + FORGED.encode() + b"\n\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rforged\r\n\r\n",
]


def send_all(server: Server) -> None:
    for one in HOSTILE:
        say(server.url, one, timeout=0.3)
    text = json.dumps({"rows": [{"text": f"\n{FORGED}\r\n\x1b[31m\u2028"}]}).encode()
    length = b"Content-Length: %d\r\n" % len(text)
    say(server.url, request(b"POST /v1/spam/predict", JSON, length, body=text), 0.3)
    ask_for_failure(server, 1, "the-last-one")


def printed(server: Server) -> list[str]:
    """Return what the server printed, when the last request's line is there."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        text = server.output.read_text()
        if text.count("the-last-one") >= 2:
            break
        time.sleep(0.1)
    return server.output.read_text().split("\n")[:-1]


def is_supervisor(line: str) -> bool:
    """Whether the line is what BentoML's supervisor prints before any code of ours runs."""
    return "[cli] Starting production HTTP BentoServer" in line


def test_c62_every_line_is_one_json_object_and_none_is_forged(raising: Server) -> None:
    send_all(raising)

    lines = [one for one in printed(raising) if not is_supervisor(one)]

    records: list[dict[str, Any]] = [json.loads(one) for one in lines]
    assert all({"time", "level", "logger", "message"} <= one.keys() for one in records)
    assert not [one for one in records if one["message"] == "forged"]
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert not [line for line in lines if SECRET in line]
    assert max(len(one["path"]) for one in records if "path" in one) <= 800
    assert [one for one in records if one["logger"] == "ekiben.serving.access_log"]


def test_c62_bentoml_alone_prints_what_no_parser_reads(bare: Server) -> None:
    ask_for_failure(bare, 1, "the-last-one")

    def unreadable() -> bool:
        lines = bare.output.read_text().splitlines()
        return any(not one.startswith("{") and not is_supervisor(one) for one in lines)

    until(unreadable, PATIENCE)


def test_c62_the_access_line_says_what_was_answered(raising: Server) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {
        "X-Request-ID": "for-the-log",
        "traceparent": f"00-{trace}-b7ad6b7169203331-00",
    }
    with raising.client() as client:
        rows = {"rows": USE_CASES[0].examples}
        answer = client.post("/v1/iris/predict?a=b", json=rows, headers=headers)
    assert "traceparent" not in answer.headers
    until(lambda: "for-the-log" in raising.output.read_text(), PATIENCE)

    (line,) = [x for x in raising.output.read_text().splitlines() if "for-the-log" in x]

    record = json.loads(line)
    assert (record["method"], record["path"]) == ("POST", "/v1/iris/predict")
    assert (record["status"], record["trace_id"]) == (200, trace)
    assert record["bytes"] == len(answer.content)
    assert record["milliseconds"] > 0
    assert record["client"] == "127.0.0.1"


def test_c62_where_nobody_asks_for_it_a_request_leaves_no_line(server: Server) -> None:
    before = server.output.read_text()
    with server.client() as client:
        for path in ("/livez", "/nowhere"):
            client.get(path)
    say(server.url, b"garbage\r\n\r\n")

    assert server.output.read_text() == before
