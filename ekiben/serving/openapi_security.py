"""The part of the OpenAPI document that says who may ask."""

import re

from ekiben.serving.needs import NEEDS, UNLISTED, Need
from ekiben.serving.openapi_parts import Node, refusals

SCHEME = "key_or_token"
SECURITY_SCHEMES: Node = {
    SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key of `ekiben keys create`, or a JSON Web Token of the "
        "issuer that the server trusts. An operation lists the scopes of which any one "
        "opens it; each is for itself, `admin` includes no other.",
    }
}

_REFUSED = ("unauthenticated", "forbidden", "rate_limited", "not_ready")
_OF_A_USE_CASE = re.compile(r"/v1/(?!models)[^/]+/(predict|feedback)")


def secured(paths: Node, *, anonymous: bool) -> Node:
    """Return *paths* with each operation's scopes, and what is answered without them."""
    return {
        path: {
            method: _secured(operation, _need(path), anonymous=anonymous)
            for method, operation in item.items()
        }
        for path, item in paths.items()
    }


def _need(path: str) -> Need:
    found = _OF_A_USE_CASE.fullmatch(path)
    return NEEDS.get(f"/v1/{{use_case}}/{found[1]}" if found else path, UNLISTED)


def _secured(operation: Node, need: Need, *, anonymous: bool) -> Node:
    if not need.scopes:
        return operation
    security: list[Node] = [{SCHEME: [scope]} for scope in sorted(need.scopes)]
    if anonymous:
        security.append({})
    responses = refusals(_REFUSED) | operation["responses"]
    return {
        **operation,
        "security": security,
        "responses": dict(sorted(responses.items())),
    }
