"""The short way of a predict request: from its connection to the model and back, without a task.

uvicorn gives each request a task, which asks for the body and sends head and body. That
costs more than the prediction. A request that came whole and has nothing unusual is
answered by plain calls instead; all others, and every refusal, go the way of `Guard`.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from ekiben.errors import ClientGone
from ekiben.serving.access_checks import AccessChecks, caller_of, charge_rows
from ekiben.serving.edge import App, Headers, Scope, is_unusual, request_id
from ekiben.serving.guard import Guard
from ekiben.serving.jobs import Answer
from ekiben.serving.lifecycle import LifeCycle
from ekiben.serving.predict_route import PredictRoute
from ekiben.serving.security_headers import PREDICTION

JSON = b"application/json"
UNUSUAL = frozenset([b"content-encoding", b"x-deadline-ms"])
"""Headers that the guard understands."""
ANYTHING = b"*/*"
TAKES_JSON = frozenset(
    [ANYTHING, JSON, b"application/json, */*", b"application/json, text/plain, */*"]
)
"""What clients of JSON say that they accept; another Accept may ask for another form."""


class Cycle(Protocol):
    """uvicorn's state of one request; `uvicorn_names.py` looks for these names."""

    scope: Any
    body: bytearray
    keep_alive: bool
    disconnected: bool
    waiting_for_100_continue: bool


class Line(Protocol):
    """The connection that a request came on."""

    @property
    def greeting(self) -> bytes:
        """The first bytes of a 200 answer: status line, and headers of every answer."""

    def answer(self, cycle: Cycle, answer: bytes) -> None:
        """Send the whole *answer*, head and body, and wait for the next request."""

    def start(self, cycle: Cycle, application: App) -> None:
        """Let *application* answer, in a task."""


class ShortWay:
    """Takes what it can answer; nothing is counted, charged or started for what it leaves."""

    def __init__(
        self,
        guard: Guard,
        routes: Mapping[bytes, PredictRoute],
        life: LifeCycle,
        access: AccessChecks,
    ) -> None:
        self._guard = guard
        self._routes = routes
        self._life = life
        self._admit = access.admit_predict

    def take(self, cycle: Cycle, line: Line) -> bool:
        """Answer the request of *cycle*, which came whole; False: it goes the other way."""
        scope = cycle.scope
        route = self._routes.get(scope["raw_path"])
        if route is None or scope["method"] != "POST" or self._life.refusing:
            return False
        headers: Headers = dict(scope["headers"])
        if (
            headers.get(b"content-type") != JSON
            or headers.get(b"accept", ANYTHING) not in TAKES_JSON
            or not cycle.keep_alive
            or cycle.waiting_for_100_continue
            or is_unusual(scope, headers)
            or not UNUSUAL.isdisjoint(headers)
            or len(cycle.body) > route.body_bytes
        ):
            return False
        request = Request(self, route, cycle, line, headers)
        self._life.in_flight += 1
        try:
            request.submit(self._admit)
        except Exception as error:
            request.set_exception(error)
        return True

    def end(self) -> None:
        """Forget one request."""
        self._life.in_flight -= 1

    async def refuse(
        self, request: "Request", error: Exception, scope: Scope, _: Any, send: Any
    ) -> None:
        """Be the application that refuses *request*."""
        try:
            await self._guard.fail(
                send, request.route.use_case, request.identity, request.headers, error
            )
        finally:
            self.end()


class Request:
    """One request on its short way, and what the dispatcher tells of it."""

    __slots__ = (
        "caller", "cycle", "headers", "identity", "line", "route", "rows", "start", "way",
    )  # fmt: skip

    def __init__(
        self,
        way: ShortWay,
        route: PredictRoute,
        cycle: Cycle,
        line: Line,
        headers: Headers,
    ) -> None:
        self.start = time.perf_counter()
        self.way = way
        self.route = route
        self.cycle = cycle
        self.line: Line | None = line
        self.headers = headers
        self.identity = request_id(headers)

    def submit(self, admit: Callable[[Scope, Headers, str], None]) -> None:
        """Check the request in the order of `Guard` and `PredictRoute`, and queue its rows.

        Raises:
            Exception: why it is refused.
        """
        scope, route = self.cycle.scope, self.route
        admit(scope, self.headers, route.use_case)
        self.caller = caller = caller_of(scope).id
        route.dispatcher.check(1, seconds=route.seconds, caller=caller)
        self.rows = rows = route.parse(bytes(self.cycle.body))
        charge_rows(scope, len(rows))
        route.dispatcher.enqueue(
            rows, self, seconds=route.seconds, gone=self.gone, caller=caller
        )

    def gone(self) -> bool:
        """Whether the client has left."""
        return self.cycle.disconnected

    def done(self) -> bool:
        """Whether it was answered or refused."""
        return self.line is None

    def cancelled(self) -> bool:
        """Never: nobody waits who could give up."""
        return False

    def set_result(self, answer: Answer) -> None:
        """Send *answer*."""
        line = self.line
        if line is None:
            return
        try:
            content = self._content(answer)
        except Exception as error:
            self.set_exception(error)
            return
        self.line = None
        self.way.end()
        line.answer(
            self.cycle,
            b"%bcontent-length: %d\r\nx-request-id: %b\r\nx-model: %b\r\n%b\r\n%b"
            % (
                line.greeting,
                len(content),
                self.identity.encode(),
                answer.tag.encode(),
                b"" if self.cycle.keep_alive else b"connection: close\r\n",
                content,
            ),
        )

    def _content(self, answer: Answer) -> bytes:
        """Return the body of *answer*, which is stamped, logged and counted now."""
        if self.cycle.disconnected:
            raise ClientGone
        route = self.route
        _, content, waiter = route.finish(
            self.rows, answer, self.start, self.identity, self.caller
        )
        if waiter is not None:
            raise RuntimeError("an answer that waits for the log came the short way")
        route.count(answer.tag, len(self.rows), self.start)
        route.dispatcher.count_direct()
        return content

    def set_exception(self, error: Exception) -> None:
        """Refuse it because of *error*."""
        line, self.line = self.line, None
        if line is not None:
            line.start(self.cycle, partial(self.way.refuse, self, error))


STATUS = b"HTTP/1.1 200 OK\r\n"
FIXED = b"".join(
    b"%b: %b\r\n" % header for header in ((b"content-type", JSON), *PREDICTION)
)


def greeting(headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return how a 200 answer begins that has *headers* of uvicorn's before ours."""
    return STATUS + b"".join(b"%b: %b\r\n" % header for header in headers) + FIXED
