"""The pieces that the operations of the OpenAPI document share: headers, parameters, refusals."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import orjson

from ekiben.schemas.problem import FieldError
from ekiben.serving.problems import MEDIA_TYPE, REFUSALS, Refusal, problem_body

Node = dict[str, Any]
"""A JSON object."""

MOST_MILLISECONDS = 999_999_999
"""The largest X-Deadline-Ms: the edge takes nine digits."""
_EXAMPLE_ID = "019aa41e-6f0b-7c52-9d43-0f2b8c61e7aa"

TAGS = [
    {"name": "Predictions", "description": "Rows in, predictions out."},
    {"name": "Models", "description": "Which version answers, and its model card."},
    {"name": "Health", "description": "For the platform that runs the server."},
    {"name": "Documentation", "description": "This document, and pages that show it."},
]

RESPONSE_HEADERS: Node = {
    "X-Request-ID": {
        "description": "The request's id: its own if it sent a sane one, else a new one.",
        "required": True,
        "schema": {"type": "string"},
        "example": _EXAMPLE_ID,
    },
    "X-Model": {
        "description": "The exact tag that answered, when it is the same for all rows.",
        "schema": {"type": "string"},
        "example": "iris:k3v5q2rx6c4nyaav",
    },
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "Which kind of credential is wanted.",
        "required": True,
        "schema": {"const": "Bearer"},
    },
    "Location": {
        "description": "Where to go.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
}

REQUEST_ID: Node = {
    "name": "X-Request-ID",
    "in": "header",
    "description": "An id for this request; it comes back, and is in the logs.",
    "schema": {"type": "string"},
}
PREDICT_HEADERS: Sequence[Node] = (
    REQUEST_ID,
    {
        "name": "X-Deadline-Ms",
        "in": "header",
        "description": "Milliseconds after which no answer is wanted any more: 504. "
        "It may only shorten the server's own deadline.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MOST_MILLISECONDS},
    },
    {
        "name": "traceparent",
        "in": "header",
        "description": "W3C Trace Context; a malformed one is ignored, as it says there.",
        "schema": {"type": "string"},
    },
)

PARAMETER_NAME: Node = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "The name of a training parameter, as `params` lists it.",
    "schema": {"type": "string"},
}
PERFORMANCE_FILTER: Node = {
    "name": "filter",
    "in": "query",
    "description": "Which rows: `overall`, `class:CLASS` such as `class:setosa`, or "
    "`slice:SLICE:GROUP` such as `slice:salary:low`. The answer lists those there are.",
    "schema": {"type": "string", "default": "overall"},
    "examples": {
        "overall": {"value": "overall"},
        "class": {"value": "class:setosa"},
        "slice": {"value": "slice:salary:low"},
    },
}


def use_case_parameter(names: Sequence[str]) -> Node:
    """Return the path parameter that is one of *names*."""
    schema: Node = {"type": "string", "enum": list(names)}
    return {"name": "use_case", "in": "path", "required": True, "schema": schema}


def json_content(schema: Node) -> Node:
    """Return the content of a JSON answer."""
    return {"application/json": {"schema": schema}}


def text_content(media_type: str) -> Node:
    """Return the content of a text answer."""
    return {media_type: {"schema": {"type": "string"}}}


_MORE_HEADERS = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def refusals(codes: Sequence[str]) -> Node:
    """Return the responses of *codes* by status, each with an example per code."""
    found = sorted((REFUSALS[code] for code in codes), key=lambda one: one.status)
    return {
        str(status): _response(list(same))
        for status, same in groupby(found, key=lambda one: one.status)
    }


def _response(same: Sequence[Refusal]) -> Node:
    headers = ["X-Request-ID", *_MORE_HEADERS.get(same[0].status, ())]
    content = {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "examples": {
            one.code: {"summary": one.title, "value": _example(one)} for one in same
        },
    }
    return {
        "description": " ".join(f"`{one.code}`: {one.detail}" for one in same),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {MEDIA_TYPE: content},
    }


def _example(refusal: Refusal) -> Node:
    errors = None
    if refusal.code == "validation_failed":
        message = "Field required"
        errors = [FieldError(loc=["rows", 0], code="missing", message=message)]
    body = problem_body(refusal.code, refusal.detail, _EXAMPLE_ID, errors)
    example: Node = orjson.loads(body)
    return example
