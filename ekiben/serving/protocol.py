"""HTTP on one connection: uvicorn's protocol with limits on time, size and form.

uvicorn shows an application nothing before the header is whole, so what a client may do
until then can only be limited here.
"""

import asyncio
import logging
from typing import Any, ClassVar

import httptools
from uuid_utils import uuid7
from uvicorn.protocols.http import auto
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ekiben.serving import metrics
from ekiben.serving.connections import Limits, Watch
from ekiben.serving.edge import request_id
from ekiben.serving.problems import MEDIA_TYPE, REFUSALS, problem_body
from ekiben.serving.security_headers import SECURITY

log = logging.getLogger(__name__)

PIPELINED = 16
"""Requests that may wait on one connection behind one that is being answered."""
GRACE = 2.0
"""Seconds that the application has to refuse a body that came too late."""
RETRY_SECONDS = b"1"

IDLE, HEADER, BODY, REFUSED = range(4)


class _Unfit(Exception):
    """The header is not one that is answered; says with which code it is refused."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class EdgeProtocol(HttpToolsProtocol):
    """One connection; `limits` and `watch` are the process's."""

    limits: ClassVar[Limits]
    watch: ClassVar[Watch]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.phase = HEADER
        self.since = 0.0
        # Of the message that is coming in; with its body, and with what follows it.
        self.received = 0
        self.silent = True
        self.write_paused_since: float | None = None
        self.closing_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time for the first header."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self.since = self.loop.time()
        self.watch.opened(self, self.connections, self.loop)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.watch.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came in; the application starts as soon as a header is whole."""
        if self.phase == REFUSED:
            return
        self._unset_keepalive_if_required()
        if self.phase == IDLE:
            self.phase, self.since = HEADER, self.loop.time()
        self.silent = False
        self.received += len(data)
        try:
            self._feed(data)
        except _Unfit as unfit:
            self.refuse(unfit.code)
            return
        except httptools.HttpParserError as error:
            reason = error.__context__
            self.refuse(reason.code if isinstance(reason, _Unfit) else "bad_request")
            return
        if self.received > self.limits.header_bytes:
            self._check_unfinished()

    def _feed(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # Nothing is upgraded here: what follows is the next request.
                data = data[upgrade.args[0] :]
            else:
                return

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
        self._check_header()
        self.watch.half_open.pop(self, None)
        super().on_headers_complete()
        # Trailers must not pass for headers, which is where uvicorn would add them.
        self.headers = []
        self.phase, self.since = BODY, self.loop.time()

    def _check_header(self) -> None:
        limits = self.limits
        if len(self.headers) > limits.header_count:
            raise _Unfit("headers_too_large")
        if self.received > limits.header_bytes and self._header_bytes() > (
            limits.header_bytes
        ):
            raise _Unfit("headers_too_large")
        if len(self.pipeline) >= PIPELINED:
            raise _Unfit("bad_request")
        if self.parser.get_http_version() not in ("1.1", "1.0"):
            raise _Unfit("bad_request")

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

    def pause_writing(self) -> None:
        """Start the time for the client to read."""
        super().pause_writing()
        self.write_paused_since = self.loop.time()

    def resume_writing(self) -> None:
        """End the time for the client to read."""
        super().resume_writing()
        self.write_paused_since = None

    def check(self, now: float) -> None:
        """End the connection if at *now* it will have taken too long."""
        if self.transport.is_closing():
            self._check_closing(now)
        elif self._over(self.write_paused_since, self.limits.write_seconds, now):
            self._abort("slow_reader")
        elif self.phase == HEADER and now >= self.since + self.limits.header_seconds:
            self._header_late()
        elif self.phase == BODY:
            self._check_body(now)
        elif self.phase == IDLE and self.timeout_keep_alive_task is None:
            self._check_idle(now)

    def _over(self, since: float | None, seconds: float, now: float) -> bool:
        return since is not None and now >= since + seconds

    def _check_closing(self, now: float) -> None:
        """Wait for the last bytes to be taken, but not for ever."""
        if self.closing_since is None:
            self.closing_since = now
        elif self._over(self.closing_since, self.limits.write_seconds, now):
            self._abort("slow_reader")

    def _header_late(self) -> None:
        if self.silent:
            # A browser opens connections that it may never use: no answer was asked for.
            self._abort("silent")
        else:
            self.refuse("request_timeout")

    def _check_body(self, now: float) -> None:
        if self.flow.read_paused:
            # It is we who do not read.
            self.since = now
        elif now >= self.since + self.limits.body_seconds + GRACE:
            self._abort("slow_body")
        elif now >= self.since + self.limits.body_seconds:
            self._refuse_body("request_timeout")

    def _check_idle(self, now: float) -> None:
        idle = self.idle_since()
        if idle is not None and now >= idle + self.timeout_keep_alive:
            self.transport.close()

    def idle_since(self) -> float | None:
        """Return since when the next request is waited for, or None while there is one."""
        answered = self.cycle is not None and self.cycle.response_complete
        if self.phase == IDLE and answered and not self.pipeline:
            return self.since
        return None

    def evict(self) -> None:
        """End the connection at once, to make room."""
        self.phase = REFUSED
        self.transport.abort()

    def refuse(self, code: str) -> None:
        """Refuse what came in, after the answers that are still owed, and close."""
        log.debug("refused before the application", extra={"code": code})
        self.watch.half_open.pop(self, None)
        in_body, self.phase = self.phase == BODY, REFUSED
        cycle = self.cycle
        if cycle is None or (cycle.response_complete and not in_body):
            self._answer(code)
        elif in_body:
            self._refuse_body(code)
        else:
            # Its own refusal would pass for the answer that is still owed.
            cycle.keep_alive = False

    def _refuse_body(self, code: str) -> None:
        """Let the application refuse the request whose body is not taken further."""
        cycle = self.cycle
        if cycle.response_complete:
            self.transport.close()
            return
        cycle.keep_alive = False
        cycle.refusal = code  # type: ignore[attr-defined]
        cycle.message_event.set()

    def _answer(self, code: str) -> None:
        identity = request_id(dict(self.headers)) if self.headers else uuid7().hex
        metrics.requests.labels("", str(REFUSALS[code].status), code).inc()
        self.transport.write(raw_refusal(code, identity))
        self.transport.close()

    def _abort(self, reason: str) -> None:
        metrics.closed_connections.labels(reason).inc()
        self.transport.abort()


def raw_refusal(code: str, identity: str) -> bytes:
    """Return the whole answer that refuses a request of which there is no scope."""
    refusal = REFUSALS[code]
    body = problem_body(code, refusal.detail, identity)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", identity.encode()),
        *SECURITY,
        (b"connection", b"close"),
    ]
    if refusal.status == 503:
        headers.append((b"retry-after", RETRY_SECONDS))
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    return STATUS_LINE[refusal.status] + lines + b"\r\n" + body


def install(limits: Limits) -> None:
    """Let uvicorn, which is started after us, speak by this protocol in this process."""
    names = {"limits": limits, "watch": Watch(limits)}
    auto.AutoHTTPProtocol = type("LimitedProtocol", (EdgeProtocol,), names)
