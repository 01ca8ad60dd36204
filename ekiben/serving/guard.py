"""The outermost layer: routes every request, and gives every refusal the one body."""

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pydantic import ValidationError

from ekiben.errors import ClientGone, EkibenError
from ekiben.schemas.problem import FieldError
from ekiben.serving import metrics
from ekiben.serving.edge import (
    App,
    Disconnected,
    Message,
    Receive,
    Refused,
    Scope,
    Send,
    headers_of,
    request_id,
)
from ekiben.serving.predict_route import PredictRoute, send_answer
from ekiben.serving.problems import (
    MEDIA_TYPE,
    REFUSALS,
    problem_body,
    problem_of,
    validation_problem,
)
from ekiben.serving.worker import Worker

log = logging.getLogger(__name__)

BENTOML_PATHS = frozenset([b"/metrics", b"/schema.json"])
"""What BentoML answers itself: its metrics, ours among them, and what its clients read."""
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
        worker: Worker,
    ) -> None:
        self._bento = bento
        self._pages = pages
        self._predict = predict
        self._worker = worker
        self._answered = {
            route.use_case: metrics.requests.labels(route.use_case, "200", "")
            for route in predict.values()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection's event, as ASGI says."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            self._worker.start()
            await self._bento(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        identity = request_id(headers)
        path = scope.get("raw_path") or scope["path"].encode()
        route = self._predict.get(path)
        if route is None:
            await self._other(scope, receive, send, path, identity)
            return
        if scope["method"] != "POST":
            await self._refuse(
                send, route.use_case, identity, "method_not_allowed", "Use POST.",
                {"Allow": "POST"},
            )  # fmt: skip
            return
        try:
            head, content = await route.answer(
                scope, headers, identity.encode(), receive
            )
        except (ClientGone, Disconnected):
            metrics.requests.labels(route.use_case, "499", "client_gone").inc()
            log.info("client_gone", extra={"request_id": identity})
        except Refused as error:
            await self._refuse(send, route.use_case, identity, error.code, error.detail)
        except ValidationError as error:
            code, detail, errors = validation_problem(error)
            await self._refuse(
                send, route.use_case, identity, code, detail, errors=errors
            )
        except Exception as error:
            if not isinstance(error, EkibenError):
                log.exception("request failed", extra={"request_id": identity})
            code, detail, extra = problem_of(error)
            await self._refuse(send, route.use_case, identity, code, detail, extra)
        else:
            self._answered[route.use_case].inc()
            await send_answer(send, head, content)

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

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                identified = (b"x-request-id", identity.encode())
                message["headers"] = [*message["headers"], identified]
            await send(message)

        scope.setdefault("state", {})["request_id"] = identity
        await application(scope, receive, send_with_id)

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
            *((name.lower().encode(), value.encode()) for name, value in extra.items()),
        ]
        if code == "payload_too_large":
            # What is still to come of the body is not read.
            headers.append((b"connection", b"close"))
        head = {"type": "http.response.start", "status": status, "headers": headers}
        await send_answer(send, head, content)
