"""The limits of one connection, against a transport that only remembers."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from uvicorn.config import HTTP_PROTOCOLS, Config
from uvicorn.protocols.http import auto, httptools_impl
from uvicorn.server import ServerState

from ekiben.serving import protocol
from ekiben.serving.connections import MOST, Limits, openable
from ekiben.serving.edge import Receive, Scope, Send, read_body
from ekiben.settings import Settings
from tests.edges import Line

LIMITS = Limits(
    header_seconds=10,
    body_seconds=30,
    write_seconds=20,
    idle_seconds=5,
    header_bytes=1024,
    header_count=10,
    body_bytes=4096,
    connections=3,
)
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that opens one connection more to the same process."""
    monkeypatch.setattr(auto, "AutoHTTPProtocol", auto.AutoHTTPProtocol)
    protocol.install(LIMITS)
    state = ServerState()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive, {}, 4096)
        start = {"type": "http.response.start", "status": 200}
        await send({**start, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    config = Config(application, log_config=None)
    config.load()

    def connect() -> Any:
        protocol_class: Any = config.http_protocol_class
        made = protocol_class(config, state, {})
        made.connection_made(Line())
        return made

    return connect


def on_a_loop(steps: Callable[[], Any]) -> Any:
    async def run() -> Any:
        return steps()

    return asyncio.run(run())


def test_canary_uvicorn_takes_its_protocol_from_where_we_put_ours(
    made: Callable[..., Any],
) -> None:
    assert HTTP_PROTOCOLS["auto"] == "uvicorn.protocols.http.auto:AutoHTTPProtocol"
    assert isinstance(on_a_loop(made), protocol.EdgeProtocol)


@pytest.mark.parametrize(
    "name",
    ["_should_upgrade", "_start_asgi_task", "_unset_keepalive_if_required",
     "connection_lost", "data_received",
     "on_headers_complete", "on_message_complete", "pause_writing", "resume_writing"],
)  # fmt: skip
def test_canary_uvicorn_s_protocol_has_the_methods_that_ours_changes(name: str) -> None:
    assert callable(getattr(httptools_impl.HttpToolsProtocol, name))


def test_canary_uvicorn_s_protocol_has_the_attributes_that_ours_reads(
    made: Callable[..., Any],
) -> None:
    opened = on_a_loop(made)

    for name in ("cycle", "flow", "headers", "pipeline", "timeout_keep_alive_task"):
        assert hasattr(opened, name)
    assert hasattr(opened.flow, "read_paused")


@pytest.mark.parametrize(
    ("sent", "now", "ended", "status"),
    [
        pytest.param(b"", 9.9, "", b"", id="silent-in-time"),
        pytest.param(b"", 10, "aborted", b"", id="silent"),
        pytest.param(b"GET / HT", 9.9, "", b"", id="half-in-time"),
        pytest.param(b"GET / HT", 10, "closed", b" 408 ", id="half"),
        pytest.param(b"\r\n", 10, "closed", b" 408 ", id="blank-lines"),
        pytest.param(HEAD + b"{", 29.9, "", b"", id="body-in-time"),
        pytest.param(HEAD + b"{", 32, "aborted", b"", id="nobody-refuses"),
        pytest.param(b"\x00", 0, "closed", b" 400 ", id="garbage"),
        pytest.param(b"GET /%s" % (b"a" * 1024), 0, "closed", b" 431 ", id="long"),
    ],
)
def test_a_connection_has_its_time(
    made: Callable[..., Any], sent: bytes, now: float, ended: str, status: bytes
) -> None:
    def steps() -> tuple[str, bytes]:
        opened = made()
        if sent:
            opened.data_received(sent)
        opened.check(now, 0.0)
        return opened.transport.ended, opened.transport.written

    found, written = on_a_loop(steps)

    assert found == ended
    assert status in written
    assert bool(written) == bool(status)


def test_a_body_that_is_late_is_refused_by_the_application(
    made: Callable[..., Any],
) -> None:
    async def run() -> Any:
        opened = made()
        opened.data_received(HEAD + b"{")
        await asyncio.sleep(0)
        opened.check(30.0, 0.0)
        return opened.cycle.refusal, opened.cycle.keep_alive

    assert asyncio.run(run()) == ("request_timeout", False)


def test_a_client_that_does_not_read_is_ended(made: Callable[..., Any]) -> None:
    def steps() -> list[str]:
        opened = made()
        opened.pause_writing()
        paused = opened.write_paused_since
        seen = []
        for later in (19.0, 20.0):
            opened.since = paused + later
            opened.check(paused + later, paused)
            seen.append(opened.transport.ended)
        return seen

    assert on_a_loop(steps) == ["", "aborted"]


def test_one_connection_too_many_ends_the_oldest_without_a_header(
    made: Callable[..., Any],
) -> None:
    def steps() -> list[str]:
        opened = [made() for _ in range(4)]
        return [one.transport.ended for one in opened]

    assert on_a_loop(steps) == ["aborted", "", "", ""]


def test_where_all_are_at_work_the_newest_is_refused(made: Callable[..., Any]) -> None:
    def steps() -> tuple[list[str], bytes]:
        busy = [made() for _ in range(3)]
        for one in busy:
            one.data_received(HEAD)
        newest = made()
        return [
            one.transport.ended for one in (*busy, newest)
        ], newest.transport.written

    ended, written = on_a_loop(steps)

    assert ended == ["", "", "", "closed"]
    assert b" 503 " in written
    assert b"\r\nretry-after: 1\r\n" in written


@pytest.mark.parametrize(
    ("untaken", "ends", "refused"),
    [
        pytest.param(0, ["aborted", "closed", "closed"], "", id="ending"),
        pytest.param(9, ["closed"] * 3, "closed", id="no-answer-is-cut-for-it"),
    ],
)
def test_the_newest_gets_the_place_of_one_that_is_ending(
    made: Callable[..., Any], untaken: int, ends: list[str], refused: str
) -> None:
    def steps() -> tuple[list[str], str]:
        late = [made() for _ in range(3)]
        for one in late:
            one.transport.untaken = untaken
            one.data_received(b"GET / HT")
            one.check(10, 0.0)
        newest = made()
        return [one.transport.ended for one in late], newest.transport.ended

    late, newest = on_a_loop(steps)

    assert sorted(late) == ends
    assert newest == refused


def lost(opened: Any) -> None:
    opened.connection_lost(None)


def not_read(opened: Any) -> None:
    opened.pause_writing()
    opened.check(opened.write_paused_since + 20, 0.0)


def evicted(opened: Any) -> None:
    opened.evict()


@pytest.mark.parametrize("end", [lost, not_read, evicted])
def test_the_request_that_is_answered_hears_of_the_end_though_others_wait_behind_it(
    made: Callable[..., Any], end: Callable[[Any], None]
) -> None:
    async def run() -> tuple[bool, bool]:
        opened = made()
        opened.data_received(HEAD + b"first")
        first = opened.cycle
        opened.data_received(HEAD + b"other")
        assert opened.cycle is not first
        end(opened)
        return first.disconnected, first.message_event.is_set()

    assert asyncio.run(run()) == (True, True)


def test_limits_come_from_the_settings() -> None:
    assert Limits.of(Settings(connections=7, header_seconds=2)).connections == 7
    assert 1 <= Limits.of(Settings()).connections == openable() <= MOST
    assert Limits.of(Settings(header_seconds=2)).interval == 0.1
