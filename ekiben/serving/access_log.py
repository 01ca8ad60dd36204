"""One log line for each request, or for a share of them, at a setting; none costs nothing."""

import logging
import random
import time
from collections.abc import Callable

from ekiben.serving.edge import App, Message, Receive, Scope, Send, headers_of, trace_id

log = logging.getLogger(__name__)

MAX_PATH = 200
"""Bytes of a path that a line repeats."""


def with_access_log(
    application: App, share: float, draw: Callable[[], float] = random.random
) -> App:
    """Return *application* itself for a *share* of 0, else one that logs that share."""
    if share == 0:
        return application

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and draw() < share:
            await _log_one(application, scope, receive, send)
        else:
            await application(scope, receive, send)

    return logged


async def _log_one(
    application: App, scope: Scope, receive: Receive, send: Send
) -> None:
    start = time.perf_counter()
    head: Message = {"status": 499, "headers": []}
    size = 0

    async def counted(message: Message) -> None:
        nonlocal head, size
        if message["type"] == "http.response.start":
            head = message
        size += len(message.get("body", b""))
        await send(message)

    try:
        await application(scope, receive, counted)
    finally:
        milliseconds = round(1000 * (time.perf_counter() - start), 3)
        facts = _facts(scope, head) | {"bytes": size, "milliseconds": milliseconds}
        log.info("request", extra=facts)


def _facts(scope: Scope, head: Message) -> dict[str, object]:
    """Return what a line says of a request: never its query, where secrets may be."""
    client = scope.get("client")
    # As it came, with its escapes: decoded it could hold line ends and colours.
    path = scope.get("raw_path") or scope["path"].encode()
    trace = trace_id(headers_of(scope))
    return {
        "method": scope["method"],
        "path": path[:MAX_PATH].decode("ascii", "backslashreplace"),
        "status": head["status"],
        "request_id": dict(head["headers"]).get(b"x-request-id", b"").decode(),
        "client": client[0] if client else None,
        **({"trace_id": trace} if trace else {}),
    }
