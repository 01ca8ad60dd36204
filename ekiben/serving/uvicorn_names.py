"""The names inside uvicorn that the short way leans on, looked for before it is taken."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

SETS: tuple[tuple[type, frozenset[str]], ...] = (
    (
        HttpToolsProtocol,
        frozenset(
            ["app", "cycle", "flow", "loop", "pipeline", "server_state", "transport"]
        ),
    ),
    (
        RequestResponseCycle,
        frozenset(
            [
                "body",
                "disconnected",
                "keep_alive",
                "more_body",
                "on_response",
                "response_complete",
                "response_started",
                "scope",
                "waiting_for_100_continue",
            ]
        ),
    ),
    (FlowControl, frozenset(["read_paused", "write_paused"])),
    (ServerState, frozenset(["default_headers", "total_requests"])),
)
"""What the instances of each class are given when they are made."""
CALLS: tuple[tuple[str, str], ...] = (
    ("on_headers_complete", "_start_asgi_task"),
    ("on_response_complete", "_start_asgi_task"),
)
"""Methods of the protocol, and what each of them has to call."""
START = ["self", "cycle", "app"]


def missing_names() -> tuple[str, ...]:
    """Return what the installed uvicorn lacks of all this; nothing: the short way may be taken."""
    return tuple(_missing())


def _missing() -> Iterator[str]:
    for kind, names in SETS:
        for name in sorted(names.difference(_mentioned(kind.__init__))):  # type: ignore[misc]
            yield f"{kind.__name__}.{name}"
    for method, called in CALLS:
        if called not in _mentioned(getattr(HttpToolsProtocol, method, None)):
            yield f"HttpToolsProtocol.{method}: {called}"
    start = getattr(HttpToolsProtocol, "_start_asgi_task", None)
    if start is None or list(inspect.signature(start).parameters) != START:
        yield "HttpToolsProtocol._start_asgi_task(cycle, app)"


def _mentioned(function: Callable[..., Any] | None) -> frozenset[str]:
    """Return the names that *function* reads, sets or calls."""
    code = getattr(function, "__code__", None)
    return frozenset(code.co_names if code else ())
