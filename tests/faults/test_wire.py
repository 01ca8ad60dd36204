"""C-12 and C-13: paths, methods and bytes that are no request for this server."""

import pytest

from ekiben.use_cases.catalog import USE_CASES
from tests.faults.asking import rows_body
from tests.faults.raw import HOST, JSON, request, say
from tests.servers import PATIENCE, Server

pytestmark = pytest.mark.server

TLS_HELLO = bytes.fromhex("1603010200010001fc0303") + b"\x00" * 200
PREDICT = b"POST /v1/iris/predict"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

MALFORMED = {
    "tls-hello": TLS_HELLO,
    "garbage": b"\x00\xff\xfe\r\n\r\n",
    "text": b"hello\r\n\r\n",
    "http-0.9": b"GET /livez\r\n\r\n",
    "http-2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http-2-in-the-line": b"GET /livez HTTP/2.0\r\n" + HOST + b"\r\n",
    "unknown-method": request(b"STEAL /livez"),
    "carriage-return": request(b"GET /livez", b"X-A: a\rX-B: b\r\n"),
    "bare-line-feeds": b"GET /livez HTTP/1.1\nHost: test\n\n",
    "folded-header": request(b"GET /livez", b"X-A: a\r\n b\r\n"),
    "space-before-colon": request(b"GET /livez", b"X-A : a\r\n"),
    "nul-in-path": request(b"GET /livez\x00"),
    "eight-bits-in-path": request(b"GET /\xff"),
    "connect": request(b"CONNECT example.org:443"),
    "no-host": request(b"GET /livez", host=b""),
    "two-hosts": request(b"GET /livez", HOST),
    "length-and-chunked": request(
        PREDICT, JSON, b"Content-Length: 5\r\n", CHUNKED, body=b"0\r\n\r\n"
    ),
    "two-lengths": request(
        PREDICT, b"Content-Length: 5\r\nContent-Length: 6\r\n", body=b"aaaaaa"
    ),
    "negative-length": request(PREDICT, b"Content-Length: -1\r\n"),
    "word-for-a-length": request(PREDICT, b"Content-Length: five\r\n"),
    "huge-length": request(PREDICT, b"Content-Length: " + b"9" * 40 + b"\r\n"),
    "chunk-without-size": request(PREDICT, JSON, CHUNKED, body=b"ZZ\r\n\r\n"),
    "chunked-not-last": request(
        PREDICT, JSON, b"Transfer-Encoding: chunked, gzip\r\n", body=b"0\r\n\r\n"
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_c13_what_is_no_request_is_400_and_only_its_own_connection_ends(
    server: Server, name: str
) -> None:
    stays_open = name in ("no-host", "two-hosts")
    answers = say(server.url, MALFORMED[name], 1 if stays_open else PATIENCE)

    assert answers.problem()["code"] == "bad_request"
    assert answers.status == 400
    assert answers.closed or stays_open
    assert say(server.url, request(b"GET /livez")).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(request(b"GET /livez", b"X: %s\r\n" % (b"a" * 100_000)), id="100-kb"),
        pytest.param(request(b"GET /livez", b"X: %s" % (b"a" * 100_000)), id="no-end"),
        pytest.param(request(b"GET /livez", *[b"X: a\r\n"] * 1_000), id="1000-lines"),
        pytest.param(request(b"GET /" + b"a" * 100_000), id="100-kb-path"),
    ],
)  # fmt: skip
def test_c13_a_header_that_is_too_large_is_431(server: Server, sent: bytes) -> None:
    answers = say(server.url, sent, PATIENCE)

    assert answers.problem()["code"] == "headers_too_large"
    assert answers.closed


def test_c13_bytes_after_a_request_get_no_answer_that_passes_for_its_own(
    server: Server,
) -> None:
    answers = say(server.url, request(b"GET /livez") + b"\x00garbage\r\n\r\n", PATIENCE)

    assert answers.statuses == [200]
    assert answers.closed


def test_c13_of_a_flood_of_pipelined_requests_the_first_are_answered(
    server: Server,
) -> None:
    answers = say(server.url, request(b"GET /livez") * 5_000, PATIENCE)

    assert set(answers.statuses) == {200}
    assert len(answers.statuses) < 50
    assert answers.closed


def test_c13_a_trailer_is_no_header(server: Server) -> None:
    body = rows_body(USE_CASES[0].examples[0])
    chunks = b"%x\r\n%s\r\n0\r\n" % (len(body), body)
    trailed = request(PREDICT, CHUNKED, body=chunks + JSON + b"\r\n")

    assert say(server.url, trailed).problem()["code"] == "unsupported_media_type"


def test_c13_nobody_is_upgraded(server: Server) -> None:
    offers = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    keys = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n"

    assert say(server.url, request(b"GET /livez", offers, keys)).status == 200


@pytest.mark.parametrize(
    ("line", "status", "allow"),
    [
        (b"GET /v1/iris/predict", 405, b"POST"),
        (b"HEAD /v1/iris/predict", 405, b"POST"),
        (b"OPTIONS /v1/iris/predict", 405, b"POST"),
        (b"TRACE /v1/iris/predict", 405, b"POST"),
        (b"DELETE /v1/models", 405, b"GET, HEAD"),
        (b"TRACE /livez", 405, b"GET, HEAD"),
        (b"POST /metrics", 405, b"GET, HEAD"),
        (b"OPTIONS *", 404, None),
        (b"POST /v1/predict/", 404, None),
        (b"POST /v1/iris/predict/", 404, None),
        (b"POST //v1/iris/predict", 404, None),
        (b"POST /v1//iris/predict", 404, None),
        (b"POST /./v1/iris/predict", 404, None),
        (b"POST /v1/../v1/iris/predict", 404, None),
        (b"POST /v1/%69ris/predict", 404, None),
        (b"POST /v1%2firis/predict", 404, None),
        (b"GET /%2e%2e/etc/passwd", 404, None),
        (b"POST /V1/IRIS/PREDICT", 404, None),
        (b"GET /livez/", 404, None),
        (b"GET /" + b"a" * 8192, 404, None),
    ],
    ids=lambda one: one[:40].decode() if isinstance(one, bytes) else str(one),
)  # fmt: skip
def test_c12_other_methods_and_paths_are_refused_without_a_detour(
    server: Server, line: bytes, status: int, allow: bytes | None
) -> None:
    answers = say(server.url, request(line, b"Connection: close\r\n"))

    assert answers.status == status
    assert b"location:" not in answers.raw
    if allow:
        assert b"\r\nallow: " + allow + b"\r\n" in answers.raw.replace(
            b"Allow", b"allow"
        )
