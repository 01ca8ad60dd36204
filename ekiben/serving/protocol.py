"""HTTP on one connection: uvicorn's protocol with limits on time, size and form.

uvicorn shows an application nothing before the header is whole, so what a client may do
until then can only be limited here.
"""

import asyncio

import httptools
from uvicorn.protocols.http import auto

from ekiben.serving.connections import Limits, Watch
from ekiben.serving.timed_protocol import BODY, HEADER, IDLE, REFUSED, TimedProtocol

PIPELINED = 16
"""Requests that may wait on one connection behind one that is being answered."""

SPOKEN = frozenset(["1.1", "1.0"])


class _Unfit(Exception):
    """The header is not one that is answered; says with which code it is refused."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class EdgeProtocol(TimedProtocol):
    """One connection, with limits on the size and form of what comes in."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time for the first header."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self.watch.opened(self, self.connections, self.loop)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.watch.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came in; the application starts as soon as a header is whole."""
        phase = self.phase
        if phase == REFUSED:
            return
        if phase == IDLE:
            self.phase, self.since = HEADER, None
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        self.received += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Nothing is upgraded here, and who offers to has to wait for the answer.
            if upgrade.args[0] < len(data):
                self.refuse("bad_request")
            return
        except httptools.HttpParserError as error:
            reason = error.__context__
            self.refuse(reason.code if isinstance(reason, _Unfit) else "bad_request")
            return
        if self.received > self._header_limit:
            self._check_unfinished()

    def _check_unfinished(self) -> None:
        """Refuse a message of which too much is held, or comes, before it ends."""
        if self.phase == HEADER:
            self.refuse("headers_too_large")
        elif self.phase == BODY and self.received > self._most_on_the_wire:
            # Trailers and chunk extensions are no body and counted by nobody else.
            self.refuse("payload_too_large")

    @property
    def _most_on_the_wire(self) -> int:
        return 2 * self.limits.body_bytes + self.limits.header_bytes

    def on_headers_complete(self) -> None:
        """Check the header as a whole, then let the application answer."""
        if self.received > self._header_limit:
            self._check_header_bytes()
        if len(self.headers) > self._header_lines:
            raise _Unfit("headers_too_large")
        if len(self.pipeline) >= PIPELINED:
            raise _Unfit("bad_request")
        if self._half_open:
            # What the first request is written in, the others are.
            if self.parser.get_http_version() not in SPOKEN:
                raise _Unfit("bad_request")
            self._half_open = False
            self.watch.closed(self)
        super().on_headers_complete()
        # Trailers must not pass for headers, which is where uvicorn would add them.
        self.headers = []
        self.phase = BODY

    def _check_header_bytes(self) -> None:
        if self._header_bytes() > self._header_limit:
            raise _Unfit("headers_too_large")

    def _header_bytes(self) -> int:
        # Four bytes of each line are colon, space and line end.
        lines = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return len(self.url) + lines

    def on_message_complete(self) -> None:
        """Start to wait for the next request."""
        super().on_message_complete()
        self.phase, self.received = IDLE, 0
        if self.cycle.response_complete:
            # The answer came before the body: uvicorn's own timer was spent on the body.
            self.since = self.loop.time()

    def _should_upgrade(self) -> bool:
        return False


def install(
    limits: Limits, kind: type[EdgeProtocol] = EdgeProtocol, **given: object
) -> None:
    """Let uvicorn, which is started after us, speak by this protocol in this process.

    *kind* is what it does besides, with *given* as attributes of its class.
    """
    names = {"limits": limits, "watch": Watch(limits), "__slots__": (), **given}
    auto.AutoHTTPProtocol = type("LimitedProtocol", (kind,), names)
