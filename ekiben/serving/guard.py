"""The outermost layer: routes every request, and gives every refusal the one body."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from ekiben.errors import ClientGone, EkibenError, Overloaded
from ekiben.schemas.problem import FieldError
from ekiben.serving import metrics
from ekiben.serving.access_checks import AccessChecks, caller_of
from ekiben.serving.edge import (
    App,
    Disconnected,
    Headers,
    InvalidRequest,
    Message,
    Receive,
    Refused,
    Scope,
    Send,
    check_head,
    headers_of,
    is_unusual,
    request_id,
    trace_id,
)
from ekiben.serving.lifecycle import LifeCycle
from ekiben.serving.predict_route import PredictRoute, send_answer
from ekiben.serving.problems import (
    CLOSING,
    DRAINING_SECONDS,
    MEDIA_TYPE,
    REFUSALS,
    problem_body,
    problem_of,
    validation_problem,
)
from ekiben.serving.security_headers import SECURITY, with_security

if TYPE_CHECKING:
    from ekiben.serving.short_way import ShortWay

log = logging.getLogger(__name__)

BENTOML_PATHS = frozenset([b"/metrics", b"/schema.json"])
"""What BentoML answers itself: its metrics, ours among them, and what its clients read."""
BENTOML_SECONDS = 10.0
"""What Prometheus waits, too."""
PROBES = frozenset([b"/livez", b"/readyz", b"/healthz", b"/metrics"])
"""What is answered to the end."""
NO_ROUTE = REFUSALS["not_found"].detail


class Guard:
    """An ASGI application in front of BentoML's: only known routes get past it.

    Predict routes are answered here, BENTOML_PATHS by BentoML, all else by *pages*.
    """

    def __init__(
        self,
        bento: App,
        pages: App,
        predict: Mapping[bytes, PredictRoute],
        life: LifeCycle,
        access: AccessChecks,
    ) -> None:
        self._access = access
        self._bento = bento
        self._pages = pages
        self._predict = predict
        self._life = life
        self.short_way: ShortWay | None = None
        """What ordinary predict requests may be answered by, before they come here."""
        self._answered = {
            route.use_case: metrics.requests.labels(route.use_case, "200", "")
            for route in predict.values()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection's event, as ASGI says."""
        if scope["type"] == "http":
            life = self._life
            life.in_flight += 1
            try:
                await self._http(scope, receive, send)
            finally:
                life.in_flight -= 1
        elif scope["type"] == "lifespan":
            await self._life.start()
            await self._bento(scope, receive, send)
            self._life.end()
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        identity = request_id(headers)
        if is_unusual(scope, headers):
            try:
                check_head(scope, headers)
            except Refused as error:
                await self._refuse(send, "", identity, error.code, error.detail)
                return
        path = scope.get("raw_path") or scope["path"].encode()
        route = self._predict.get(path)
        if self._life.refusing and path not in PROBES:
            use_case = route.use_case if route else ""
            retry = {"Retry-After": str(DRAINING_SECONDS)}
            await self._refuse(
                send, use_case, identity, "draining", REFUSALS["draining"].detail, retry
            )
            return
        if route is None:
            try:
                self._access.admit_other(scope, headers)
            except EkibenError as error:
                code, detail, extra = problem_of(error)
                await self._refuse(send, "", identity, code, detail, extra)
            else:
                await self._other(scope, receive, send, path, identity)
            return
        if scope["method"] != "POST":
            await self._refuse(
                send, route.use_case, identity, "method_not_allowed", "Use POST.",
                {"Allow": "POST"},
            )  # fmt: skip
            return
        try:
            self._access.admit_predict(scope, headers, route.use_case)
            head, content = await route.answer(
                scope, headers, identity.encode(), receive, caller_of(scope).id
            )
        except Exception as error:
            await self.fail(send, route.use_case, identity, headers, error)
        else:
            self._answered[route.use_case].inc()
            await send_answer(send, head, content)

    async def fail(
        self,
        send: Send,
        use_case: str,
        identity: str,
        headers: Headers,
        error: Exception,
    ) -> None:
        """Refuse a predict request that ended with *error*; to who has left, say nothing."""
        match error:
            case ClientGone() | Disconnected():
                metrics.requests.labels(use_case, "499", "client_gone").inc()
                log.info("client_gone", extra={"request_id": identity})
            case Refused():
                await self._refuse(send, use_case, identity, error.code, error.detail)
            case InvalidRequest():
                code, detail, errors = validation_problem(error.reason)
                await self._refuse(
                    send, use_case, identity, code, detail, errors=errors
                )
            case _:
                if not isinstance(error, EkibenError):
                    log_failure(identity, headers, error)
                code, detail, extra = problem_of(error)
                await self._refuse(send, use_case, identity, code, detail, extra)

    async def _other(
        self, scope: Scope, receive: Receive, send: Send, path: bytes, identity: str
    ) -> None:
        """Let the application behind answer a path that is no predict route."""
        if path in BENTOML_PATHS and scope["method"] in ("GET", "HEAD"):
            application = self._bento
        elif path in BENTOML_PATHS:
            allow = {"Allow": "GET, HEAD"}
            await self._refuse(
                send, "", identity, "method_not_allowed", "Use GET.", allow
            )
            return
        elif b"%" in path:
            # No route has a character that needs escaping: %2e and %2f only hide.
            await self._refuse(send, "", identity, "not_found", NO_ROUTE)
            return
        else:
            application = self._pages

        await self._forward(application, scope, receive, send, identity)

    async def _forward(
        self,
        application: App,
        scope: Scope,
        receive: Receive,
        send: Send,
        identity: str,
    ) -> None:
        """Let *application* answer; count, identify and secure what it says."""
        state = scope.setdefault("state", {})
        state["request_id"] = identity
        started = False

        async def send_on(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                code = state.get("code", "")
                use_case = state.get("use_case", "")
                metrics.requests.labels(use_case, str(message["status"]), code).inc()
                identified = (b"x-request-id", identity.encode())
                message["headers"] = with_security([*message["headers"], identified])
            await send(message)

        # Where no thread can be started BentoML lets its client wait for a minute.
        limit = BENTOML_SECONDS if application is self._bento else None
        try:
            async with asyncio.timeout(limit) as waiting:
                await application(scope, receive, send_on)
        except Exception as error:
            if waiting.expired() and isinstance(error, TimeoutError) and not started:
                code, detail, extra = problem_of(Overloaded(1.0))
                await self._refuse(send, "", identity, code, detail, extra)
                return
            log_failure(identity, headers_of(scope), error)
            if started:
                raise
            detail = REFUSALS["internal"].detail
            await self._refuse(send, "", identity, "internal", detail)

    async def _refuse(
        self,
        send: Send,
        use_case: str,
        identity: str,
        code: str,
        detail: str,
        extra: Mapping[str, str] = MappingProxyType({}),
        errors: Sequence[FieldError] | None = None,
    ) -> None:
        status = REFUSALS[code].status
        metrics.requests.labels(use_case, str(status), code).inc()
        content = problem_body(code, detail, identity, errors)
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(content)),
            (b"x-request-id", identity.encode()),
            *SECURITY,
            *((name.lower().encode(), value.encode()) for name, value in extra.items()),
        ]
        if code in CLOSING:
            headers.append((b"connection", b"close"))
        head = {"type": "http.response.start", "status": status, "headers": headers}
        await send_answer(send, head, content)


def log_failure(identity: str, headers: Headers, error: Exception) -> None:
    """Log *error* with what finds its request again."""
    trace = trace_id(headers)
    traced = {"trace_id": trace} if trace else {}
    facts = {"request_id": identity, **traced}
    log.error("request failed", exc_info=error, extra=facts)
