"""The edge of a worker in this process: real guard, routes and protocol, a stub for a model.

Connections only remember what is written, so a test sees the bytes, and which way they took.
"""

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http import auto
from uvicorn.server import ServerState

from ekiben.access.caller import Caller
from ekiben.serving import short_protocol
from ekiben.serving.connections import Limits
from ekiben.serving.edge import Headers, Receive, Scope, Send
from ekiben.serving.guard import Guard
from ekiben.serving.lifecycle import LifeCycle
from ekiben.serving.predict_route import PredictRoute
from ekiben.serving.short_way import ShortWay
from ekiben.serving.worker import Worker
from ekiben.settings import Settings
from tests.fakes import Doubler, Number

PATH = b"/v1/double/predict"
JSON = b"Content-Type: application/json\r\n"
BODY = b'{"rows":[{"value":21}]}'


def asked(
    body: bytes = BODY,
    *headers: bytes,
    line: bytes = b"POST " + PATH + b" HTTP/1.1\r\n",
    kind: bytes = JSON,
    host: bytes = b"Host: x\r\n",
    identity: bytes = b"X-Request-ID: r-1\r\n",
) -> bytes:
    """Return a request's bytes; each of *headers* with its line end."""
    length = b"Content-Length: %d\r\n" % len(body)
    return b"".join([line, host, kind, identity, length, *headers, b"\r\n", body])


class Line(asyncio.Transport):
    """A transport that keeps what is written and how it was ended."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = ""
        self.reading = True
        self.untaken = 0

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def is_closing(self) -> bool:
        return bool(self.ended)

    def get_write_buffer_size(self) -> int:
        return self.untaken

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Door:
    """Lets everybody in as the caller that a header names, unless told what to raise."""

    ready = True

    def __init__(self) -> None:
        self.refusal: Exception | None = None
        self.charge: Callable[[int], None] = self._count
        self.charged: list[int] = []

    def admit_predict(self, scope: Scope, headers: Headers, use_case: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        name = headers.get(b"x-caller", b"").decode()
        scope["state"]["caller"] = Caller(name, frozenset())
        scope["state"]["charge"] = self.charge

    def admit_other(self, scope: Scope, headers: Headers) -> None:
        pass

    def _count(self, rows: int) -> None:
        self.charged.append(rows)


class Edge:
    """One worker's edge; `tasks` are the paths of the requests that went the ordinary way."""

    def __init__(
        self, *, short: bool = True, model: Any = None, **settings: Any
    ) -> None:
        self.model: Any = model or Doubler()
        self.door = Door()
        self.tasks: list[bytes] = []
        roster: Any = SimpleNamespace(
            predictor=lambda _: self.model, ready=True, tags=lambda _: (set(), None)
        )
        watch: Any = SimpleNamespace(observe=lambda *_: None)
        use_case: Any = SimpleNamespace(name="double", row=Number)
        self.settings = Settings(log="off", arrow=False, **settings)
        follower: Any = SimpleNamespace()
        self.worker = Worker([use_case], roster, follower, watch, self.settings)
        self.life = LifeCycle(self.worker, {})
        routes = {PATH: PredictRoute(use_case, self.worker, self._nobody)}
        self.guard = Guard(self._nobody, _no_page, routes, self.life, self.door)
        self.state = ServerState()
        self.state.default_headers = [(b"date", b"today")]
        self._config = Config(self._counted, log_config=None, interface="asgi3")
        self._config.load()
        way = ShortWay(self.guard, routes, self.life, self.door) if short else None
        self._protocol = self._installed(way)

    def _installed(self, way: ShortWay | None) -> Any:
        before = auto.AutoHTTPProtocol
        try:
            short_protocol.install_protocol(Limits.of(self.settings), way)
            return auto.AutoHTTPProtocol
        finally:
            auto.AutoHTTPProtocol = before

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.tasks.append(scope["raw_path"])
        await self.guard(scope, receive, send)

    async def _nobody(self, *_: object) -> None:
        raise AssertionError("only predictions are asked for")

    def connect(self) -> Any:
        """Open one connection; on the event loop."""
        made = self._protocol(self._config, self.state, {})
        made.connection_made(Line())
        return made

    async def answered(self, *connections: Any) -> None:
        """Wait until nothing is in flight and every task has ended."""
        async with asyncio.timeout(10):
            while self.life.in_flight or self.state.tasks or self._busy(connections):
                await asyncio.sleep(0.001)

    def _busy(self, connections: Sequence[Any]) -> bool:
        return any(not one.cycle.response_complete for one in connections)

    def say(self, *pieces: bytes) -> Line:
        """Send *pieces* on one connection, each in a read of its own, and wait."""

        async def run() -> Line:
            opened = self.connect()
            for piece in pieces:
                opened.data_received(piece)
                await asyncio.sleep(0)
            await self.answered(opened)
            line: Line = opened.transport
            return line

        return asyncio.run(run())

    def close(self) -> None:
        """End the model's thread."""
        self.worker.threads.shutdown()


async def _no_page(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body"})


MakeEdge = Callable[..., Edge]
