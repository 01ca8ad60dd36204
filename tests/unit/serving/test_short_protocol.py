"""Connections with a short way: what follows an answer, who leaves, and which uvicorn it takes."""

import asyncio
import logging
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)

from ekiben.serving import short_protocol, uvicorn_names
from ekiben.serving.application import build_application
from ekiben.serving.batch import unobserved
from ekiben.serving.route import Route
from ekiben.serving.short_way import ShortWay
from ekiben.serving.worker import Worker
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case
from tests.edges import PATH, MakeEdge, asked
from tests.fakes import Held

IDENTIFIED = b"X-Request-ID: %b\r\n"


def test_canary_the_installed_uvicorn_has_every_name_that_the_short_way_leans_on() -> (
    None
):
    assert uvicorn_names.missing_names() == ()


def without_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(HttpToolsProtocol, "_start_asgi_task")


def with_another_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpToolsProtocol, "_start_asgi_task", lambda self, cycle: 0)


def without_keep_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RequestResponseCycle, "__init__", lambda self, scope: None)


def with_another_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpToolsProtocol, "on_headers_complete", lambda self: None)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (without_start, "HttpToolsProtocol._start_asgi_task(cycle, app)"),
        (with_another_start, "HttpToolsProtocol._start_asgi_task(cycle, app)"),
        (without_keep_alive, "RequestResponseCycle.keep_alive"),
        (without_keep_alive, "RequestResponseCycle.waiting_for_100_continue"),
        (with_another_beginning, "HttpToolsProtocol.on_headers_complete: "
         "_start_asgi_task"),
    ],
)  # fmt: skip
def test_canary_a_uvicorn_that_lacks_a_name_is_noticed(
    change: Callable[[pytest.MonkeyPatch], None],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change(monkeypatch)

    assert name in uvicorn_names.missing_names()


def test_with_a_uvicorn_that_is_not_as_known_all_go_the_ordinary_way(
    edge: MakeEdge, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(short_protocol, "missing_names", lambda: ("cycle.x",))
    one = edge()

    line = one.say(asked())

    assert one.tasks == [PATH]
    assert line.written.startswith(b"HTTP/1.1 200")
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert record.__dict__["missing"] == ("cycle.x",)


def test_a_connection_answers_one_request_after_another(edge: MakeEdge) -> None:
    one = edge()

    async def run() -> bytes:
        opened = one.connect()
        for number in range(3):
            body = b'{"rows":[{"value":%d}]}' % number
            opened.data_received(asked(body, b"X-Caller: c\r\n"))
            await one.answered(opened)
        written: bytes = opened.transport.written
        return written

    written = asyncio.run(run())

    assert [f'"double":{2 * n}.0'.encode() in written for n in range(3)] == [True] * 3
    assert one.tasks == []
    assert one.state.total_requests == 3


def test_pipelined_requests_are_answered_in_their_order(edge: MakeEdge) -> None:
    one = edge()
    three = [asked(identity=IDENTIFIED % name) for name in (b"a", b"b", b"c")]

    line = one.say(b"".join(three))

    names = [f"x-request-id: {name}".encode() for name in "abc"]
    places = [line.written.index(name) for name in names]
    assert places == sorted(places)
    assert line.written.count(b"HTTP/1.1 200") == 3
    assert one.tasks == [PATH, PATH]
    assert line.reading


def test_a_long_body_stops_the_reading_only_until_its_answer(edge: MakeEdge) -> None:
    one = edge()
    rows = b",".join([b'{"value":%b1}' % (b" " * 150)] * 900)

    line = one.say(asked(b'{"rows":[%b]}' % rows))

    assert one.tasks == []
    assert line.written.startswith(b"HTTP/1.1 200")
    assert line.reading


def test_the_date_is_uvicorn_s_of_now(edge: MakeEdge) -> None:
    one = edge()

    first = one.say(asked())
    one.state.default_headers = [(b"date", b"tomorrow")]
    second = one.say(asked())

    assert b"\r\ndate: today\r\n" in first.written
    assert b"\r\ndate: tomorrow\r\n" in second.written
    assert b"today" not in second.written


def test_a_server_that_stops_closes_after_the_answer_and_says_so(
    edge: MakeEdge,
) -> None:
    one = edge(model=Held())

    async def run() -> Any:
        opened = one.connect()
        opened.data_received(asked())
        await one.model.reached()
        opened.shutdown()
        one.model.let.set()
        await one.answered(opened)
        return opened.transport

    line = asyncio.run(run())

    assert line.written.startswith(b"HTTP/1.1 200")
    assert b"\r\nconnection: close\r\n" in line.written
    assert line.ended == "closed"


@pytest.mark.parametrize("short", [True, False], ids=["short", "ordinary"])
def test_who_leaves_while_queued_never_reaches_the_model(
    edge: MakeEdge, short: bool
) -> None:
    one = edge(model=Held(), short=short)

    async def run() -> bytes:
        stays, leaves = one.connect(), one.connect()
        stays.data_received(asked())
        await one.model.reached()
        leaves.data_received(asked(b'{"rows":[{"value":7}]}'))
        await asyncio.sleep(0)
        leaves.connection_lost(None)
        one.model.let.set()
        await one.answered(stays)
        written: bytes = leaves.transport.written
        return written

    assert asyncio.run(run()) == b""
    assert one.model.calls == [[21.0]]
    assert one.life.in_flight == 0


@pytest.mark.parametrize("short", [True, False], ids=["short", "ordinary"])
def test_who_leaves_while_the_model_computes_is_told_nothing(
    edge: MakeEdge, short: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ekiben")
    one = edge(model=Held(), short=short)

    async def run() -> bytes:
        leaves = one.connect()
        leaves.data_received(asked())
        await one.model.reached()
        leaves.connection_lost(None)
        one.model.let.set()
        await one.answered()
        written: bytes = leaves.transport.written
        return written

    assert asyncio.run(run()) == b""
    told = [(r.message, r.__dict__["request_id"]) for r in caplog.records]
    assert told == [("client_gone", "r-1")]


def test_a_connection_that_is_being_closed_gets_nothing_more(edge: MakeEdge) -> None:
    one = edge(model=Held())

    async def run() -> bytes:
        opened = one.connect()
        opened.data_received(asked())
        await one.model.reached()
        opened.transport.abort()
        one.model.let.set()
        await one.answered(opened)
        written: bytes = opened.transport.written
        return written

    assert asyncio.run(run()) == b""


@pytest.mark.parametrize("short", [True, False], ids=["short", "ordinary"])
def test_a_deadline_that_passes_is_a_504_and_the_late_answer_is_dropped(
    edge: MakeEdge, short: bool
) -> None:
    one = edge(model=Held(), short=short, deadline_ms=150)

    async def run() -> bytes:
        opened = one.connect()
        opened.data_received(asked())
        await one.answered(opened)
        one.model.let.set()
        await asyncio.to_thread(one.worker.threads.shutdown)
        await asyncio.sleep(0.01)
        written: bytes = opened.transport.written
        return written

    written = asyncio.run(run())

    assert written.startswith(b"HTTP/1.1 504")
    assert written.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("short", [True, False], ids=["short", "ordinary"])
def test_a_caller_that_holds_its_share_leaves_room_for_another(
    edge: MakeEdge, short: bool
) -> None:
    one = edge(model=Held(), short=short, rows_in_flight=1000, queue_ms=600_000)
    many = b'{"rows":[%b]}' % b",".join([b'{"value":1}'] * 800)
    ten = b'{"rows":[%b]}' % b",".join([b'{"value":2}'] * 10)
    flood, other = b"X-Caller: flood\r\n", b"X-Caller: other\r\n"

    async def run() -> list[bytes]:
        opened = [one.connect() for _ in range(3)]
        opened[0].data_received(asked(many, flood))
        await one.model.reached()
        opened[1].data_received(asked(ten, flood))
        opened[2].data_received(asked(ten, other))
        await asyncio.sleep(0.01)
        one.model.let.set()
        await one.answered(*opened)
        return [each.transport.written[:12] for each in opened]

    statuses = asyncio.run(run())

    assert statuses == [b"HTTP/1.1 200", b"HTTP/1.1 503", b"HTTP/1.1 200"]


def test_an_idle_connection_is_closed_in_its_time(edge: MakeEdge) -> None:
    one = edge(idle_seconds=5)

    async def run() -> list[str]:
        opened = one.connect()
        opened.data_received(asked())
        await one.answered(opened)
        now, seen = opened.loop.time(), []
        for later in (0.25, 4.0, 5.5):
            opened.check(now + later, now + later - 0.25)
            seen.append(opened.transport.ended)
        return seen

    assert asyncio.run(run()) == ["", "", "closed"]


def test_a_connection_that_ends_is_freed_without_the_garbage_collector(
    edge: MakeEdge,
) -> None:
    one = edge()

    async def run() -> "weakref.ref[Any]":
        opened = one.connect()
        opened.data_received(asked())
        await one.answered(opened)
        opened.connection_lost(None)
        return weakref.ref(opened.cycle)

    assert asyncio.run(run())() is None


@pytest.mark.parametrize(
    ("settings", "there"),
    [
        pytest.param({}, True, id="as-shipped"),
        pytest.param({"log": "fail-closed"}, False, id="answers-wait-for-the-log"),
        pytest.param({"fast_route": False}, False, id="through-bentoml"),
    ],
)
def test_there_is_one_where_no_answer_has_to_wait(
    settings: dict[str, Any], there: bool
) -> None:
    iris = get_use_case("iris")
    nothing: Any = SimpleNamespace()
    watch: Any = SimpleNamespace(observe=unobserved)
    roster: Any = SimpleNamespace(predictor=lambda _: None)
    worker = Worker([iris], roster, nothing, watch, Settings(**settings))

    async def bento(*_: object) -> None: ...

    guard = build_application(
        bento, [Route("/v1/iris/predict", iris)], worker, auth=False
    )

    assert isinstance(guard.short_way, ShortWay) is there
