"""C-30: clients that send or read as slowly as they can, while others are answered."""

import contextlib
import math
import multiprocessing
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ekiben.use_cases.catalog import USE_CASES
from tests.faults.asking import rows_body
from tests.faults.conftest import PATCHED, home_beside
from tests.faults.raw import HOST, JSON, connect, request, say
from tests.servers import Server, serve
from tests.timing import at_most, measures_time

pytestmark = [pytest.mark.alone, pytest.mark.server]

FILES = ("prlimit", "--nofile=1024:1024")
BODY = rows_body(USE_CASES[0].examples[0])
HALF = b"POST /v1/iris/predict HTTP/1.1\r\n" + HOST + b"X-A: "
SLOW_BODY = request(b"POST /v1/iris/predict", JSON, b"Content-Length: 1000\r\n")
LARGE = request(b"GET /docs/assets/redoc.standalone.js") * 8


@dataclass
class Attack:
    """Connections that say *first*, then a byte a second, and when each was ended."""

    url: str
    first: bytes
    count: int
    reading: bool = True
    ended: list[float] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        """Keep all of them open as long as the server does, at most *seconds*."""
        with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
            for _ in range(self.count):
                opened = stack.enter_context(slow_socket(self.url))
                with contextlib.suppress(OSError):
                    opened.sendall(self.first)
                selector.register(opened, selectors.EVENT_READ, time.monotonic())
            until = time.monotonic() + seconds
            while selector.get_map() and time.monotonic() < until:
                self.step(selector)

    def step(self, selector: selectors.BaseSelector) -> None:
        for key in list(selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            try:
                key.fileobj.send(b"a")
            except OSError:
                self.end(selector, key)
        until = time.monotonic() + 1
        while time.monotonic() < until and selector.get_map():
            for key, _ in selector.select(0.2):
                self.read(selector, key)
            if not self.reading:
                time.sleep(0.8)

    def read(
        self, selector: selectors.BaseSelector, key: selectors.SelectorKey
    ) -> None:
        assert isinstance(key.fileobj, socket.socket)
        try:
            said = key.fileobj.recv(4096 if self.reading else 1)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if said:
            self.answers.append(said)
        else:
            self.end(selector, key)

    def end(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        selector.unregister(key.fileobj)
        self.ended.append(time.monotonic() - key.data)


def slow_socket(url: str) -> socket.socket:
    opened = connect(url)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.setblocking(False)
    return opened


@dataclass
class Others:
    """Clients that do nothing wrong: how long each request took, and what failed."""

    url: str
    count: int
    times: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    calm: float = 0.0
    """The p99 of such clients before the attack: a busy machine is no failure."""

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        stop = threading.Event()
        threads = [
            threading.Thread(target=self.ask, args=(stop, one))
            for one in range(self.count)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def ask(self, stop: threading.Event, number: int) -> None:
        close, length = b"Connection: close\r\n", b"Content-Length: %d\r\n" % len(BODY)
        predict = request(b"POST /v1/iris/predict", JSON, close, length, body=BODY)
        alive = request(b"GET /livez", close)
        while not stop.wait(0.2):
            start = time.monotonic()
            # A new connection for each: the attack is on connections.
            try:
                answers = say(self.url, predict if number else alive, timeout=10)
            except OSError as error:
                self.failed.append(repr(error))
                continue
            self.times.append(time.monotonic() - start)
            if answers.statuses != [200]:
                self.failed.append(repr(answers.raw))

    def p99(self) -> float:
        return sorted(self.times)[int(len(self.times) * 0.99)]


def attack(
    server: Server, header: int, body: int, readers: int, seconds: float
) -> tuple[Attack, Attack, Attack, Others]:
    half = Attack(server.url, HALF, header)
    slow = Attack(server.url, SLOW_BODY, body)
    read = Attack(server.url, LARGE, readers, reading=False)
    others = Others(server.url, 20)
    calm = Others(server.url, 20)
    with calm.asking():
        time.sleep(3)
    others.calm = calm.p99()
    # In processes of their own: they must not slow down the clients that are measured.
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, mp_context=spawned) as pool:
        list(pool.map(math.sqrt, range(3)))
        with others.asking():
            runs = [pool.submit(run, one, seconds) for one in (half, slow, read)]
            half, slow, read = (one.result() for one in runs)
    return half, slow, read, others


def run(one: Attack, seconds: float) -> Attack:
    one.run(seconds)
    return one


def assert_defended(
    server: Server,
    found: tuple[Attack, Attack, Attack, Others],
    header_seconds: float,
    body_seconds: float,
) -> None:
    half, slow, _, others = found
    assert others.failed == []
    assert "Traceback" not in server.output.read_text()
    assert len(half.ended) == half.count
    assert len(slow.ended) == slow.count
    assert any(b" 408 " in one for one in slow.answers)
    at_most(max(0.5, 2 * others.calm), others.p99())
    # A second is how seldom an attacker looks.
    at_most(header_seconds + 1.5, max(half.ended))
    at_most(body_seconds + 1.5, max(slow.ended))


@pytest.fixture
def quick(home: Path, tmp_path: Path) -> Iterator[Server]:
    """A server with short limits and few open files."""
    extra = {
        "EKIBEN_HEADER_SECONDS": "3",
        "EKIBEN_BODY_SECONDS": "5",
        "EKIBEN_WRITE_SECONDS": "5",
        "EKIBEN_CONNECTIONS": "200",
    }
    with serve(home_beside(home, tmp_path), extra=extra, prefix=FILES) as running:
        yield running


@measures_time
def test_c30_slow_clients_are_ended_and_others_answered(quick: Server) -> None:
    found = attack(quick, header=250, body=30, readers=30, seconds=12)

    assert_defended(quick, found, header_seconds=3, body_seconds=5)
    _, _, read, _ = found
    assert len(read.ended) == read.count


@pytest.mark.slow
@measures_time
def test_c30_slow_clients_in_full_numbers(
    home: Path, tmp_path: Path, figure: Callable[[str, object], None]
) -> None:
    with serve(home_beside(home, tmp_path), prefix=FILES) as server:
        found = attack(server, header=1_500, body=200, readers=200, seconds=75)

    assert_defended(server, found, header_seconds=10, body_seconds=30)
    figure("p99 of others, ms", 1e3 * found[3].p99())
    figure("p99 before, ms", 1e3 * found[3].calm)


def test_c30_uvicorn_alone_waits_for_ever(home: Path, tmp_path: Path) -> None:
    extra = {"FAULT": "no-protocol", "EKIBEN_HEADER_SECONDS": "2"}
    other = home_beside(home, tmp_path)
    with serve(other, target=PATCHED, extra=extra, prefix=FILES) as server:
        half = Attack(server.url, HALF, 20)
        half.run(6)

    assert half.ended == []


def test_c30_one_connection_too_many_ends_the_oldest_that_sent_nothing(
    home: Path, tmp_path: Path
) -> None:
    extra = {"EKIBEN_CONNECTIONS": "10"}
    with (
        serve(home_beside(home, tmp_path), extra=extra) as server,
        contextlib.ExitStack() as stack,
    ):
        time.sleep(0.5)  # the connections that asked for /readyz are gone
        silent = [stack.enter_context(connect(server.url)) for _ in range(10)]
        time.sleep(0.2)
        with server.client() as client:
            assert client.get("/livez").status_code == 200
        oldest, *rest = silent
        oldest.settimeout(5)  # before the time for its header is over
        with contextlib.suppress(ConnectionError):
            assert oldest.recv(1) == b""
        rest[-1].sendall(request(b"GET /livez"))

        assert rest[-1].recv(100).startswith(b"HTTP/1.1 200")
