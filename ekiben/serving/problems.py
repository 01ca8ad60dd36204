"""The one place that turns conditions into HTTP refusals: RFC 9457 problem details."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import orjson
from pydantic import ValidationError
from starlette.responses import Response
from starlette.types import Scope

from ekiben.errors import (
    DeadlineExceeded,
    Forbidden,
    KeysUnread,
    LogUnavailable,
    NotReady,
    Overloaded,
    QuotaExceeded,
    RateLimited,
    Unauthenticated,
    UnknownUseCase,
)
from ekiben.schemas.problem import FieldError

MEDIA_TYPE = "application/problem+json"
MAX_LISTED = 100
"""Errors that one answer lists."""
MAX_COLLECTED = 50_000
"""Errors that are looked at; 1,000 empty fraud rows make 30,000. More come only from an
attack, and collecting them would hold the event loop for seconds."""
MAX_NAME = 64
"""Characters of a client's field name that are repeated to it."""
CLOSING = frozenset(["payload_too_large", "request_timeout", "bad_request", "draining"])
"""Refusals that close the connection: what is still to come of the body is not read, or
the next request would find nobody."""
DRAINING_SECONDS = 1
"""Retry-After while draining: by then the balancer asks another server."""
NOT_READY_SECONDS = 5
"""Retry-After while no version is loaded: about what loading one takes."""
LOG_SECONDS = 1
"""Retry-After while predictions cannot be logged and so are not answered."""


@dataclass(frozen=True)
class Refusal:
    """One kind of refusal; `detail` is what it says when nothing is known but the kind."""

    status: int
    code: str
    title: str
    detail: str

    @property
    def type(self) -> str:
        """The URN that names this kind for good."""
        return f"urn:ekiben:problem:{self.code}"


_TABLE = (
    Refusal(400, "invalid_json", "Invalid JSON", "The body is not valid JSON."),
    Refusal(400, "bad_request", "Bad request", "This is not a valid HTTP request."),
    Refusal(
        401,
        "unauthenticated",
        "Unauthenticated",
        "Send a valid key or token in the header: Authorization: Bearer KEY.",
    ),
    Refusal(
        403, "forbidden", "Forbidden", "This key or token does not allow the request."
    ),
    Refusal(404, "not_found", "Not found", "There is nothing at this address."),
    Refusal(
        405,
        "method_not_allowed",
        "Method not allowed",
        "This address does not answer to that method; Allow names those it does.",
    ),
    Refusal(
        408, "request_timeout", "Request timeout", "The request took too long to come."
    ),
    Refusal(
        413, "payload_too_large", "Payload too large", "The body has too many bytes."
    ),
    Refusal(
        415,
        "unsupported_media_type",
        "Unsupported media type",
        "The body must be application/json, without a Content-Encoding.",
    ),
    Refusal(422, "validation_failed", "Validation failed", "The request has 1 error."),
    Refusal(
        429,
        "rate_limited",
        "Too many requests",
        "This key or token sends too much; Retry-After says when to try again.",
    ),
    Refusal(
        431,
        "headers_too_large",
        "Headers too large",
        "The header has too many bytes or too many lines.",
    ),
    Refusal(500, "internal", "Internal error", "Something went wrong on our side."),
    Refusal(
        503, "overloaded", "Overloaded", "Too many rows are waiting; try again later."
    ),
    Refusal(
        503,
        "not_ready",
        "Not ready",
        "No verified version of this use case is loaded; try again later.",
    ),
    Refusal(
        503,
        "draining",
        "Draining",
        "This server is about to stop; try again, another one answers.",
    ),
    Refusal(
        504,
        "deadline_exceeded",
        "Deadline exceeded",
        "The deadline passed before an answer was ready.",
    ),
)
KEYS_UNREAD = "The API keys are not read yet; try again later."
LOG_UNAVAILABLE = (
    "The prediction cannot be logged, so it is not answered; try again later."
)
QUOTA_EXCEEDED = "The rows of this key or token for today, UTC, are used up."
REFUSALS: Mapping[str, Refusal] = MappingProxyType(
    {refusal.code: refusal for refusal in _TABLE}
)


def problem_body(
    code: str,
    detail: str,
    request_id: str,
    errors: Sequence[FieldError] | None = None,
) -> bytes:
    """Return the JSON body of a refusal; `errors` is left out where there are none."""
    refusal = REFUSALS[code]
    body: dict[str, object] = {
        "type": refusal.type,
        "title": refusal.title,
        "status": refusal.status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
    if errors:
        body["errors"] = [error.model_dump() for error in errors]
    return orjson.dumps(body)


def problem_of(exception: BaseException) -> tuple[str, str, dict[str, str]]:
    """Return code, detail and extra headers for *exception*.

    The words are fixed: what the exception itself says may name paths or inputs.
    """
    headers: dict[str, str] = {}
    detail = None
    match exception:
        case Unauthenticated():
            code = "unauthenticated"
            headers = {"WWW-Authenticate": "Bearer"}
        case Forbidden():
            code = "forbidden"
        case RateLimited() | QuotaExceeded():
            code = "rate_limited"
            headers = {"Retry-After": str(_whole_seconds(exception.retry_after))}
            detail = QUOTA_EXCEEDED if isinstance(exception, QuotaExceeded) else None
        case KeysUnread():
            code, detail = "not_ready", KEYS_UNREAD
            headers = {"Retry-After": str(NOT_READY_SECONDS)}
        case LogUnavailable():
            code, detail = "not_ready", LOG_UNAVAILABLE
            headers = {"Retry-After": str(LOG_SECONDS)}
        case NotReady():
            code = "not_ready"
            headers = {"Retry-After": str(NOT_READY_SECONDS)}
        case Overloaded():
            code = "overloaded"
            headers = {"Retry-After": str(_whole_seconds(exception.retry_after))}
        case DeadlineExceeded():
            code = "deadline_exceeded"
            if exception.retry_after is not None:
                headers = {"Retry-After": str(_whole_seconds(exception.retry_after))}
        case UnknownUseCase():
            code = "not_found"
        case _:
            code = "internal"
    return code, detail or REFUSALS[code].detail, headers


def _whole_seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds)) if math.isfinite(seconds) else 1


# Of these types pydantic's own message holds bounds and choices of the schema, never the
# input. All others (unions, UUIDs, validators of a user's own) may repeat it.
_SAFE_MESSAGES = frozenset(
    [
        "missing",
        "extra_forbidden",
        "finite_number",
        "literal_error",
        "multiple_of",
        "float_type",
        "int_type",
        "int_from_float",
        "int_parsing_size",
        "bool_type",
        "string_type",
        "greater_than",
        "greater_than_equal",
        "less_than",
        "less_than_equal",
        "string_too_short",
        "string_too_long",
        "too_short",
        "too_long",
        "list_type",
        "datetime_early",
        "datetime_past",
        "datetime_zoned",
        "label_unknown",
    ]
)
_OWN_MESSAGES = {
    "model_type": "Input should be an object",
    "string_pattern_mismatch": "String should match the pattern of the schema",
}


def validation_problem(
    error: ValidationError,
) -> tuple[str, str, list[FieldError] | None]:
    """Return code, detail and errors for what pydantic refused."""
    count = error.error_count()
    if count > MAX_COLLECTED:
        return "validation_failed", f"The request has {count} errors.", None
    found = error.errors(include_input=False, include_url=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return "invalid_json", REFUSALS["invalid_json"].detail, None
    listed = [
        FieldError(
            loc=[part[:MAX_NAME] if isinstance(part, str) else part for part in loc],
            code=kind,
            message=_message(kind, message),
        )
        for kind, loc, message in (
            (one["type"], one["loc"], one["msg"]) for one in found[:MAX_LISTED]
        )
    ]
    return "validation_failed", _count_in_words(count), listed


def _message(kind: str, message: str) -> str:
    if kind in _SAFE_MESSAGES:
        return message
    return _OWN_MESSAGES.get(kind, "Input is not valid")


def _count_in_words(count: int) -> str:
    if count == 1:
        return REFUSALS["validation_failed"].detail
    rest = f"; the first {MAX_LISTED} are listed" if count > MAX_LISTED else ""
    return f"The request has {count} errors{rest}."


def request_id_of(scope: Scope) -> str:
    """Return the id that the guard gave the request, or an empty string."""
    state = scope.get("state") or {}
    return str(state.get("request_id", ""))


def problem_response(
    scope: Scope,
    code: str,
    detail: str | None = None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] | None = None,
) -> Response:
    """Return a refusal as a Starlette response; without *detail*, the kind's own."""
    refusal = REFUSALS[code]
    # The guard counts it by this.
    scope.setdefault("state", {})["code"] = code
    body = problem_body(code, detail or refusal.detail, request_id_of(scope), errors)
    if code in CLOSING:
        headers = {**(headers or {}), "Connection": "close"}
    return Response(body, refusal.status, headers, MEDIA_TYPE)
