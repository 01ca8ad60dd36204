"""One connection whose ordinary predict requests go the short way."""

import logging
from typing import Any, ClassVar

from ekiben.serving.connections import Limits
from ekiben.serving.protocol import EdgeProtocol, install
from ekiben.serving.short_way import ShortWay, greeting
from ekiben.serving.uvicorn_names import missing_names

log = logging.getLogger(__name__)


class Greeting:
    """How 200 answers begin, made anew when uvicorn has: once a second, for the date."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._bytes = b""

    def of(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Return the beginning with these *headers*."""
        if headers is not self._headers:
            self._headers, self._bytes = headers, greeting(headers)
        return self._bytes


class ShortProtocol(EdgeProtocol):
    """Holds each request until all is parsed that came, and then shows it to the short way."""

    short_way: ClassVar[ShortWay]
    shared: ClassVar[Greeting]

    __slots__ = ("_held", "_parsing")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held: Any = None
        self._parsing = False

    def data_received(self, data: bytes) -> None:
        """Parse what came in, then begin to answer it."""
        super().data_received(data)
        held = self._held
        if held is not None:
            self._held = None
            if (
                held.more_body
                or self.flow.write_paused
                or not self.short_way.take(held, self)
            ):
                super()._start_asgi_task(held, self.app)

    def on_headers_complete(self) -> None:
        """Check the header; an application's task waits for what came with it."""
        self._parsing = True
        try:
            super().on_headers_complete()
        finally:
            self._parsing = False

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if self._parsing and app is self.app:
            self._held = self._running = cycle
        else:
            super()._start_asgi_task(cycle, app)

    @property
    def greeting(self) -> bytes:
        """The first bytes of a 200 answer."""
        return self.shared.of(self.server_state.default_headers)

    def answer(self, cycle: Any, answer: bytes) -> None:
        """Send the whole *answer* and do what uvicorn does after one."""
        cycle.response_started = cycle.response_complete = True
        # It is a method of ours: kept, it would keep the two of us alive for ever.
        cycle.on_response = nothing
        if self.transport.is_closing():
            return
        self.transport.write(answer)
        if not cycle.keep_alive:
            self.transport.close()
        if self.pipeline or self.flow.read_paused or not cycle.keep_alive:
            self.on_response_complete()
            return
        # `check` ends idle connections; a timer would be made and cancelled every time.
        self.server_state.total_requests += 1
        if self.since is not None:
            self.since = self.loop.time()

    def start(self, cycle: Any, application: Any) -> None:
        """Let *application* answer, in a task."""
        super()._start_asgi_task(cycle, application)


def nothing() -> None:
    """Stand where uvicorn called what is to be done after an answer."""


def install_protocol(limits: Limits, short_way: ShortWay | None) -> None:
    """Let uvicorn speak by our protocol, with a *short_way* if there is one.

    A uvicorn that lacks what the short way leans on gets all requests the ordinary way.
    """
    missing = missing_names()
    if short_way is not None and missing:
        log.warning("uvicorn is not as known: no short way", extra={"missing": missing})
    if short_way is None or missing:
        install(limits)
    else:
        install(limits, ShortProtocol, short_way=short_way, shared=Greeting())
