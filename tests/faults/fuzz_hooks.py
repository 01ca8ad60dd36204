"""What Schemathesis loads beside its own checks: our reading of 504, and of integers."""

from typing import Any

import schemathesis

SERVER_DEADLINE_MS = 30_000
UNKNOWN_HEADER = "x-schemathesis-unknown-property"
NOT_THEN = {"datetime_past", "datetime_early"}
WHOLE = 1e15
"""Floats below this are exact as integers."""


@schemathesis.check
def gives_up_only_where_asked(
    ctx: schemathesis.CheckContext,
    response: schemathesis.Response,
    case: schemathesis.Case[Any],
) -> None:
    """A 504 is right only when the client itself set a deadline shorter than ours."""
    if response.status_code == 504:
        asked = dict(case.headers or {}).get("X-Deadline-Ms")
        assert asked is not None, "504 although no deadline was set"
        assert int(asked) < SERVER_DEADLINE_MS


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext,
    failure: Exception,
    case: schemathesis.Case[Any],
    response: schemathesis.Response,
) -> bool:
    """Let go of two reproaches: a header that the document does not list is no fault in
    HTTP, and no keyword says that a time has to be in the past."""
    if response.status_code == 422 and "Schema-valid request rejected" in str(failure):
        errors = response.json().get("errors") or [{}]
        return not {one.get("code") for one in errors} <= NOT_THEN
    return not (
        response.status_code == 200
        and UNKNOWN_HEADER in (case.headers or {})
        and "unexpected properties" in str(failure)
    )


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Write whole numbers without a fraction, as the document's introduction asks.

    To JSON Schema 3.0 is an integer too, and no keyword can say otherwise.
    """
    return _whole(body)


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < WHOLE:
        return int(value)
    return value
