"""What every request has: its id, its headers, its body counted while it is read."""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pydantic import ValidationError
from uuid_utils import uuid7

from ekiben.serving.problems import REFUSALS

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = dict[bytes, bytes]

SANE_ID = re.compile(rb"[A-Za-z0-9._~+/=:-]{1,128}")
JSON_TYPE = re.compile(
    rb'application/json(\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE
)
WHOLE_NUMBER = re.compile(rb"[1-9][0-9]{0,8}")
TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
ONCE = frozenset(
    [
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"traceparent",
        b"transfer-encoding",
        b"x-deadline-ms",
        b"x-request-id",
    ]
)
"""Headers of which a proxy before us may read the first where we read the last."""


class Refused(Exception):
    """The edge refuses the request; says with which code and why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class InvalidRequest(Exception):
    """The body does not fit the schema.

    Not pydantic's own exception: one that is raised where the model answers must not
    pass for the client's fault.
    """

    def __init__(self, reason: ValidationError) -> None:
        super().__init__("the body does not fit the schema")
        self.reason = reason


class Disconnected(Exception):
    """The client left before its request was read."""


def headers_of(scope: Scope) -> Headers:
    """Return the request's headers; of a repeated one the last."""
    return dict(scope["headers"])


def request_id(headers: Headers) -> str:
    """Return the client's own X-Request-ID if it is a sane one, else a new id."""
    given = headers.get(b"x-request-id")
    if given is not None and SANE_ID.fullmatch(given):
        return given.decode("ascii")
    return uuid7().hex


def trace_id(headers: Headers) -> str | None:
    """Return the trace id of a sane W3C traceparent, else None."""
    given = TRACEPARENT.fullmatch(headers.get(b"traceparent", b""))
    return given[1].decode("ascii") if given else None


def is_unusual(scope: Scope, headers: Headers) -> bool:
    """Whether `check_head` has to look: in most requests there is nothing to see."""
    return (
        len(scope["headers"]) != len(headers)
        or b"host" not in headers
        or b"transfer-encoding" in headers
    )


def check_head(scope: Scope, headers: Headers) -> None:
    """Refuse a header that two readers could understand in two ways.

    Raises:
        Refused: one of ONCE is repeated, there is no Host, or another Transfer-Encoding
            than chunked.
    """
    lines = scope["headers"]
    if len(lines) != len(headers):
        names = [name for name, _ in lines]
        if any(names.count(name) > 1 for name in ONCE):
            raise Refused("bad_request", "a header is repeated that may come once")
    if b"host" not in headers and scope["http_version"] == "1.1":
        raise Refused("bad_request", "the Host header is missing")
    if headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
        raise Refused("unsupported_media_type", "the only Transfer-Encoding is chunked")


def check_json(headers: Headers) -> None:
    """Refuse a body that is not plain JSON.

    Raises:
        Refused: another Content-Type, or any Content-Encoding.
    """
    content_type = headers.get(b"content-type", b"")
    # The usual spelling is told apart without the pattern: it is on every request.
    if content_type != b"application/json" and not JSON_TYPE.fullmatch(content_type):
        raise Refused("unsupported_media_type", "send application/json")
    if b"content-encoding" in headers:
        raise Refused("unsupported_media_type", "send the body without encoding")


def seconds_allowed(headers: Headers, default: float) -> float:
    """Return the request's deadline in seconds: X-Deadline-Ms if shorter than *default*.

    Raises:
        Refused: the header is not a whole number of milliseconds.
    """
    given = headers.get(b"x-deadline-ms")
    if given is None:
        return default
    if not WHOLE_NUMBER.fullmatch(given):
        raise Refused(
            "validation_failed",
            "X-Deadline-Ms takes a whole number of milliseconds, at least 1",
        )
    return min(default, int(given) / 1000)


async def read_body(receive: Receive, headers: Headers, limit: int) -> bytes:
    """Read the body, at most *limit* bytes by count.

    Raises:
        Refused: it is longer, or says so; or it came too late or malformed.
        Disconnected: the client left in the middle.
    """
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > limit:
        raise too_large(limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit:
            raise too_large(limit)
        return body
    parts = [body]
    count = len(body)
    while message.get("more_body", False):
        if code := refusal_of(receive):
            raise Refused(code, REFUSALS[code].detail)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts.append(message.get("body", b""))
        count += len(parts[-1])
        if count > limit:
            raise too_large(limit)
    return b"".join(parts)


def too_large(limit: int) -> Refused:
    """Make the refusal of a body over *limit* bytes."""
    return Refused("payload_too_large", f"a body may have {limit} bytes")


def refusal_of(receive: Receive) -> str | None:
    """Return with which code our protocol refuses the rest of the body, if it does.

    It says so on uvicorn's request cycle, of which *receive* is a method, and lets
    *receive* return.
    """
    return getattr(getattr(receive, "__self__", None), "refusal", None)


def client_gone(receive: Receive) -> Callable[[], bool]:
    """Return a function that tells whether the client has left.

    uvicorn knows it without our waiting for a message: its request cycle, of which
    *receive* is a method, keeps a flag. Where there is no such flag, nobody leaves.
    """
    cycle: Any = getattr(receive, "__self__", None)
    if hasattr(cycle, "disconnected"):
        return lambda: bool(cycle.disconnected)
    return lambda: False


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a receive that gives *body* first, for an application behind us."""
    sent = False

    async def receive_again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
