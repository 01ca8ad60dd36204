"""What every operation of the OpenAPI document is made of."""

from collections.abc import Sequence

from ekiben.serving.openapi_parts import REQUEST_ID, Node, refusals

ANY_CODES = ("bad_request", "request_timeout", "headers_too_large")
"""What every operation may answer, because it is said before the route is known."""


def operation_of(
    name: str,
    tag: str,
    summary: str,
    description: str,
    *,
    parameters: Sequence[Node] = (REQUEST_ID,),
    ok: Node | None = None,
    codes: Sequence[str] = (),
    status: str = "200",
) -> Node:
    """Return an operation that answers *status* with *ok*, or refuses with *codes*."""
    answered = {"description": "Answered.", "headers": headers_of(), **(ok or {})}
    return {
        "operationId": name.replace("-", "_"),
        "tags": [tag],
        "summary": summary,
        "description": description,
        "parameters": list(parameters),
        "responses": {status: answered, **refusals((*ANY_CODES, *codes))},
    }


def headers_of(*more: str) -> Node:
    """Return the response headers that every answer has, and *more*."""
    names = ("X-Request-ID", *more)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
