"""The time that one connection may take for header, body and reading, and how it is ended."""

import logging
from typing import Any, ClassVar

from uuid_utils import uuid7
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ekiben.serving import metrics
from ekiben.serving.connections import Limits, Watch
from ekiben.serving.edge import request_id
from ekiben.serving.problems import REFUSALS
from ekiben.serving.raw_refusal import raw_refusal

log = logging.getLogger(__name__)

GRACE = 2.0
"""Seconds that the application has to refuse a body that came too late."""

IDLE, HEADER, BODY, REFUSED = range(4)


class TimedProtocol(HttpToolsProtocol):
    """One connection that can be looked at; `limits` and `watch` are the process's."""

    limits: ClassVar[Limits]
    watch: ClassVar[Watch]

    # Python shares the layout of an instance's attributes up to thirty, of which
    # uvicorn has most; more of them there made every access to all of them slower.
    __slots__ = (
        "_half_open",
        "_header_limit",
        "_header_lines",
        "_running",
        "closing_since",
        "phase",
        "received",
        "since",
        "write_paused_since",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Its lines are BentoML's to switch off, yet uvicorn makes their values for each
        # answer; ours are made by `access_log.py`.
        self.access_log = False
        # uvicorn's own comes from an option that `bentoml serve` does not have.
        self.timeout_keep_alive = self.limits.idle_seconds
        self.phase = HEADER
        # When the message that is coming in began, or None until `check` has seen it:
        # a look at the clock with every request would cost more.
        self.since: float | None = None
        # Of the message that is coming in; with its body, and with what follows it.
        self.received = 0
        self._half_open = True
        self._running: Any = None
        self._header_limit = self.limits.header_bytes
        self._header_lines = self.limits.header_count
        self.write_paused_since: float | None = None
        self.closing_since: float | None = None

    def pause_writing(self) -> None:
        """Start the time for the client to read."""
        super().pause_writing()
        self.write_paused_since = self.loop.time()

    def resume_writing(self) -> None:
        """End the time for the client to read."""
        super().resume_writing()
        self.write_paused_since = None

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Remember the request that is being answered: `cycle` is the one that came last."""
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered; uvicorn tells the one that came last."""
        self._tell()
        super().connection_lost(exc)

    def _tell(self) -> None:
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()

    def is_ending(self) -> bool:
        """Return whether it ends in the next turn: closed, and all its bytes are taken."""
        closing = self.transport.is_closing()
        return closing and not self.transport.get_write_buffer_size()

    def check(self, now: float, before: float) -> None:
        """End the connection if at *now* it will have taken too long; *before* is the last look."""
        limits = self.limits
        if self.since is None:
            # Nobody's message is given more time, and nobody's silence less, than they have.
            self.since = now if self.phase == IDLE else before
        if self.transport.is_closing():
            self._check_closing(now)
        elif self._over(self.write_paused_since, limits.write_seconds, now):
            self._abort("slow_reader")
        elif self.phase == HEADER and self._over(
            self.since, limits.header_seconds, now
        ):
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
        if self.received == 0:
            # A browser opens connections that it may never use: no answer was asked for.
            self._abort("silent")
        else:
            self.refuse("request_timeout")

    def _check_body(self, now: float) -> None:
        seconds = self.limits.body_seconds
        if self.flow.read_paused:
            # It is we who do not read.
            self.since = now
        elif self._over(self.since, seconds + GRACE, now):
            self._abort("slow_body")
        elif self._over(self.since, seconds, now):
            self._refuse_body("request_timeout")

    def _check_idle(self, now: float) -> None:
        """Do as uvicorn's own timer, which is spent where the answer came before the body."""
        if self._over(self.idle_since(), self.timeout_keep_alive, now):
            self.transport.close()

    def idle_since(self) -> float | None:
        """Return since when the next request is waited for, or None while there is one."""
        answered = self.cycle is not None and self.cycle.response_complete
        if self.phase != IDLE or not answered or self.pipeline:
            return None
        return self.loop.time() if self.since is None else self.since

    def evict(self) -> None:
        """End the connection at once, to make room."""
        self.phase = REFUSED
        self._end()

    def refuse(self, code: str) -> None:
        """Refuse what came in, after the answers that are still owed, and close."""
        log.debug("refused before the application", extra={"code": code})
        self.watch.closed(self)
        in_body, self.phase = self.phase == BODY, REFUSED
        cycle = self.cycle
        if cycle is None or (cycle.response_complete and not in_body):
            self._answer(code)
        elif in_body:
            self._refuse_body(code)
        else:
            # Its own refusal would pass for the answer that is still owed.
            cycle.keep_alive = False

    def _answer(self, code: str) -> None:
        identity = request_id(dict(self.headers)) if self.headers else uuid7().hex
        metrics.requests.labels("", str(REFUSALS[code].status), code).inc()
        self.transport.write(raw_refusal(code, identity))
        self.transport.close()

    def _refuse_body(self, code: str) -> None:
        """Let the application refuse the request whose body is not taken further."""
        cycle = self.cycle
        if cycle.response_complete:
            self.transport.close()
            return
        cycle.keep_alive = False
        cycle.refusal = code  # type: ignore[attr-defined]
        cycle.message_event.set()

    def _abort(self, reason: str) -> None:
        metrics.closed_connections.labels(reason).inc()
        self._end()

    def _end(self) -> None:
        # From now on the transport takes nothing: an answer to it would be an error.
        self._tell()
        self.transport.abort()
