"""C-10 and C-11: bodies that are too long, lie about their length, or are no JSON by name."""

import contextlib
import gzip
import itertools
import os
import pickle
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import httpx
import psutil
import pytest

from ekiben.use_cases.catalog import USE_CASES
from tests.faults.asking import assert_problem, rows_body
from tests.faults.raw import JSON, connect, read_all, request, say
from tests.servers import PATIENCE, Server
from tests.timing import at_most, measures_time

pytestmark = pytest.mark.server

LIMIT = 4 * 1024 * 1024
GOOD = rows_body(USE_CASES[0].examples[0])
PATH = "/v1/iris/predict"
PREDICT = b"POST /v1/iris/predict"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def padded(size: int) -> bytes:
    return GOOD + b" " * (size - len(GOOD))


@pytest.mark.parametrize(
    ("size", "status"),
    [(LIMIT - 1, 200), (LIMIT, 200), (LIMIT + 1, 413), (50 * LIMIT, 413)],
)
@pytest.mark.parametrize("way", ["with-length", "chunked"])
def test_c10_the_limit_is_counted_to_the_byte(
    client: httpx.Client, way: str, size: int, status: int
) -> None:
    def pieces() -> Iterator[bytes]:
        body = padded(min(size, 2 * LIMIT))
        for start in range(0, size, LIMIT // 4):
            yield body[start % LIMIT :][: min(LIMIT // 4, size - start)]

    content = padded(size) if way == "with-length" else pieces()
    headers = {"Content-Type": "application/json"}
    try:
        response = client.post(PATH, content=content, headers=headers)
    except httpx.TransportError:
        # The server closes while we still send; where that is a reset there is no answer.
        assert status == 413
        return

    if status == 200:
        assert response.status_code == 200
    else:
        assert_problem(response, 413, "payload_too_large")
        assert response.headers["connection"] == "close"


@measures_time
@pytest.mark.alone
def test_c10_huge_bodies_cost_little_memory_and_hold_nobody_up(server: Server) -> None:
    (worker,) = server.workers()
    process = psutil.Process(worker)
    say(server.url, request(PREDICT, JSON, CHUNKED, body=b"1\r\n{\r\n"), patience=1)
    before, most = process.memory_info().rss, 0
    flood = threading.Thread(target=send_without_end, args=(server.url, 200 * 2**20))
    flood.start()
    seconds: list[float] = []
    # Once at least: on a busy machine the flood may be over when this goes on.
    while flood.is_alive() or not seconds:
        most = max(most, process.memory_info().rss)
        start = time.monotonic()
        assert httpx.get(server.url + "/livez").status_code == 200
        seconds.append(time.monotonic() - start)
    flood.join()

    assert most - before <= 2 * LIMIT + 2**20
    # Parsed on the event loop, 200 MB hold it up for seconds on an idle machine.
    at_most(0.5, median(seconds))


def send_without_end(url: str, size: int) -> None:
    """Send one chunked body of *size* bytes, or as much of it as is taken."""
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with connect(url) as opened:
        try:
            opened.sendall(request(PREDICT, JSON, CHUNKED))
            for _ in range(size // 65536):
                opened.sendall(chunk)
        except ConnectionError:
            return
        raise AssertionError("all of it was taken")


def test_c10_a_length_that_is_too_high_waits_and_one_too_low_is_cut(
    server: Server,
) -> None:
    low = request(PREDICT, JSON, b"Content-Length: 10\r\n", body=GOOD)
    high = request(PREDICT, JSON, b"Content-Length: 9999\r\n", body=GOOD)

    assert say(server.url, low).statuses[0] == 400
    assert say(server.url, high, patience=1).statuses == []
    assert say(server.url, request(PREDICT, JSON)).problem()["code"] == "invalid_json"
    assert say(server.url, request(b"GET /livez")).status == 200


@pytest.mark.alone
def test_c10_trailers_and_chunk_extensions_count_as_well(server: Server) -> None:
    head = request(PREDICT, JSON, CHUNKED, body=b"0\r\nX-Trailer: ")
    with connect(server.url, 10) as opened:
        opened.sendall(head)
        taken = 0
        with contextlib.suppress(ConnectionError):
            while taken < 64 * 2**20:
                opened.sendall(b"a" * 2**20)
                taken += 2**20
                time.sleep(0.02)

    assert taken < 32 * 2**20


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity", "x"])
def test_c10_an_encoded_body_is_never_unpacked(
    client: httpx.Client, encoding: str
) -> None:
    bomb = gzip.compress(b" " * 50_000_000)

    response = client.post(
        PATH,
        content=bomb,
        headers={"Content-Type": "application/json", "Content-Encoding": encoding},
    )

    assert_problem(response, 415, "unsupported_media_type")


FORM = b'--x\r\nContent-Disposition: form-data; name="rows"\r\n\r\n[]\r\n'
TYPES = {
    "none": (None, GOOD),
    "text": ("text/plain", GOOD),
    "xml": ("application/xml", b"<rows/>"),
    "latin-1": ("application/json; charset=latin-1", GOOD),
    "json-lines": ("application/jsonl", GOOD),
    "problem": ("application/problem+json", GOOD),
    "urlencoded": ("application/x-www-form-urlencoded", b"rows=1"),
    "no-fields": ("multipart/form-data; boundary=x", b"--x--\r\n"),
    "2000-fields": ("multipart/form-data; boundary=x", FORM * 2_000 + b"--x--\r\n"),
    "3-mb-field": (
        "multipart/form-data; boundary=x",
        FORM.replace(b"[]", b"a" * 3_000_000) + b"--x--\r\n",
    ),
    "dashes": ("multipart/form-data; boundary=" + "-" * 70, b"-" * 1_000_000),
}


@pytest.mark.parametrize("name", TYPES)
def test_c11_whatever_is_not_named_json_is_415(client: httpx.Client, name: str) -> None:
    kind, body = TYPES[name]

    response = client.post(
        PATH, content=body, headers={"Content-Type": kind} if kind else {}
    )

    assert_problem(response, 415, "unsupported_media_type")


class Canary:
    """What a pickle of it does when it is read: it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.file),)


PICKLES = [
    "application/vnd.bentoml+pickle",
    "application/x-pickle",
    "application/pickle",
    "application/octet-stream",
    "application/python-pickle; charset=binary",
]


@pytest.mark.parametrize("kind", [*PICKLES, "application/json"])
def test_c11_a_pickle_is_read_on_no_port(
    server: Server, tmp_path: Path, kind: str
) -> None:
    canary = tmp_path / "sung"
    body = pickle.dumps(Canary(canary))
    own, ports = int(server.url.rsplit(":", 1)[1]), listening_ports(server)
    head = b"Content-Type: %s\r\nContent-Length: %d\r\nArgs-Number: 1\r\nConnection: close\r\n"
    sent = head % (kind.encode(), len(body))

    def answers(port: int, path: bytes) -> list[int]:
        asked = request(b"POST " + path, sent, body=body)
        patience = PATIENCE if port == own else 1
        return say(f"http://127.0.0.1:{port}", asked, patience=patience).statuses

    assert own in ports
    asked = itertools.product(
        ports, (PATH.encode(), b"/predict_iris", b"/", b"/metrics")
    )
    # All at once: a port that speaks no HTTP answers nothing, and each is waited for.
    with ThreadPoolExecutor(max_workers=32) as asking:
        statuses = [*asking.map(lambda one: answers(*one), asked)]
    assert all(400 <= status < 500 for each in statuses for status in each)
    assert any(statuses)
    assert not canary.exists()


def test_c11_the_canary_does_sing_when_it_is_read(tmp_path: Path) -> None:
    canary = tmp_path / "sung"

    pickle.loads(pickle.dumps(Canary(canary)))

    assert canary.exists()


def listening_ports(server: Server) -> set[int]:
    """Return every port that the server's processes listen on."""
    main = psutil.Process(server.process.pid)
    ports = set()
    for process in (main, *main.children(recursive=True)):
        # Drift is measured by a process that may end at any moment.
        with contextlib.suppress(psutil.NoSuchProcess):
            opened = process.net_connections("tcp")
            ports |= {
                one.laddr.port for one in opened if one.status == psutil.CONN_LISTEN
            }
    return ports


def test_c10_and_c11_without_the_edge_all_of_it_is_taken(bare: Server) -> None:
    headers = {"Content-Type": "text/plain"}

    with bare.client() as client:
        text = client.post(PATH, content=GOOD, headers=headers)
        long = client.post(PATH, content=padded(LIMIT + 1), headers=headers)

    assert text.status_code == 200
    assert long.status_code == 200


def test_c10_what_is_left_of_a_refused_body_is_not_the_next_request(
    server: Server,
) -> None:
    smuggled = request(b"GET /livez")
    with connect(server.url, PATIENCE) as opened:
        opened.sendall(request(PREDICT, JSON, b"Content-Length: 99999999\r\n"))
        opened.sendall(smuggled)
        answers = read_all(opened)

    assert answers.statuses == [413]
    assert answers.closed
