"""Every documented route with every method: the documented status, or 405 that names the others."""

from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate

from ekiben.use_cases.catalog import USE_CASES, get_use_case
from tests.feedback import UNKNOWN

pytestmark = pytest.mark.server

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
NAMES = [one.name for one in USE_CASES]
PREDICT = [f"/v1/{name}/predict" for name in NAMES]
FEEDBACK = [f"/v1/{name}/feedback" for name in NAMES]
REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "invalid_json": ({"content": b"{"}, 400),
    "payload_too_large": ({"content": b" " * (4 * 2**20 + 1)}, 413),
    "unsupported_media_type": ({"headers": {"Content-Type": "text/csv"}}, 415),
    "validation_failed": ({"content": b"{}"}, 422),
}


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    validate(found)
    return found


def filled(client: httpx.Client, path: str) -> str:
    """Return *path* with values for its parameters that are there."""
    if "{name}" in path:
        listed = client.get("/v1/models/iris/params").json()["parameters"]
        path = path.replace("{name}", next(iter(listed)))
    return path.replace("{use_case}", "iris")


def body(path: str) -> dict[str, Any]:
    """Return what a good request to *path* brings."""
    if path in FEEDBACK:
        label = get_use_case(path.split("/")[2]).classes[0]
        return {"json": {"items": [{"prediction_id": UNKNOWN, "label": label}]}}
    if path not in PREDICT:
        return {}
    return {"json": {"rows": get_use_case(path.split("/")[2]).examples}}


def allowed(document: dict[str, Any], path: str) -> set[str]:
    """Return the methods that *path* answers to, by the document."""
    found = {name.upper() for name in document["paths"][path]} & set(METHODS)
    return found | {"HEAD"} if "GET" in found else found


def responses(document: dict[str, Any], path: str, method: str) -> dict[str, Any]:
    name = "get" if method == "HEAD" else method.lower()
    found: dict[str, Any] = document["paths"][path][name]["responses"]
    return found


@pytest.mark.parametrize("method", METHODS)
def test_every_route_answers_to_the_methods_of_the_document_and_to_no_other(
    client: httpx.Client, document: dict[str, Any], method: str
) -> None:
    for path in document["paths"]:
        right = allowed(document, path)
        response = client.request(method, filled(client, path), **body(path))
        if method not in right:
            assert response.status_code == 405, (method, path)
            assert set(response.headers["allow"].split(", ")) == right, path
            continue
        stated = responses(document, path, method)
        assert response.status_code in (200, 202, 307), (method, path, response.text)
        kind = response.headers.get("content-type", "").partition(";")[0]
        content = stated[str(response.status_code)].get("content")
        assert content is None or kind in content, (method, path)
        named = stated[str(response.status_code)]["headers"]
        assert set(named) - {"X-Model"} <= {n for n in named if n in response.headers}


@pytest.mark.parametrize("path", [*PREDICT, *FEEDBACK])
@pytest.mark.parametrize("code", REFUSED)
def test_every_refusal_that_a_client_brings_about_is_in_the_document(
    client: httpx.Client, document: dict[str, Any], path: str, code: str
) -> None:
    more, status = REFUSED[code]
    headers = {"Content-Type": "application/json", **more.get("headers", {})}

    response = client.post(path, content=more.get("content", b"{}"), headers=headers)

    assert (response.status_code, response.json()["code"]) == (status, code)
    stated = responses(document, path, "POST")[str(status)]
    assert code in stated["content"]["application/problem+json"]["examples"]


def test_a_route_that_is_not_in_the_document_is_404_by_every_method(
    client: httpx.Client,
) -> None:
    for method in METHODS:
        response = client.request(method, "/v1/nowhere")
        assert response.status_code == 404, method
