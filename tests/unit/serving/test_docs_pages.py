import re
from typing import Any

import pytest

from ekiben.serving.docs_pages import docs_routes

DOCUMENT = {"openapi": "3.1.0", "info": {"title": "Ekiben", "version": "1"}}
PAGES = ("/docs", "/redoc")
LINKED = re.compile(r'(?:src|href)="([^"]+)"')


@pytest.fixture
def client(connect: Any) -> Any:
    return connect(docs_routes(DOCUMENT))


def test_the_document_is_served_as_json(client: Any) -> None:
    response = client.get("/openapi.json")

    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == DOCUMENT


@pytest.mark.parametrize("page", PAGES)
def test_a_page_links_only_to_what_this_server_has(client: Any, page: str) -> None:
    response = client.get(page)

    linked = LINKED.findall(response.text)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert len(linked) == 4
    for address in linked:
        assert address.startswith("docs/assets/")
        assert client.get(f"/{address}").status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_a_page_may_run_no_script_but_its_files(client: Any, page: str) -> None:
    response = client.get(page)

    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "connect-src 'self';" in policy
    assert "<script>" not in response.text
    assert "http" not in response.text


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("swagger-ui.css", "text/css; charset=utf-8"),
        ("swagger-start.js", "text/javascript; charset=utf-8"),
        ("redoc.standalone.js", "text/javascript; charset=utf-8"),
        ("redoc.css", "text/css; charset=utf-8"),
        ("redoc-start.js", "text/javascript; charset=utf-8"),
        ("favicon.svg", "image/svg+xml"),
    ],
)
def test_an_asset_is_served_under_its_type(
    client: Any, name: str, media_type: str
) -> None:
    response = client.get(f"/docs/assets/{name}")

    assert response.status_code == 200
    assert response.headers["Content-Type"] == media_type
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.content


def test_redoc_asks_no_other_server_for_its_makers_logo(client: Any) -> None:
    assert "cdn.redoc.ly" not in client.get("/docs/assets/redoc.standalone.js").text


def test_swagger_ui_asks_no_validator(client: Any) -> None:
    assert "validatorUrl: null" in client.get("/docs/assets/swagger-start.js").text


@pytest.mark.parametrize(
    "name", ["core.py", "favicon.png", "..%2fcore.py", "%2e%2e%2fcore.py", "x"]
)
def test_no_other_file_is_served(client: Any, name: str) -> None:
    response = client.get(f"/docs/assets/{name}")

    assert response.status_code == 404


def test_the_root_leads_to_the_docs(client: Any) -> None:
    response = client.get("/")

    assert response.status_code == 307
    assert response.headers["Location"] == "/docs"


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/redoc", "/openapi.json", "/docs/assets/favicon.svg"]
)
def test_other_methods_are_not_allowed(client: Any, path: str) -> None:
    response = client.ask("POST", path)

    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert response.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/openapi.json"])
def test_head_answers_like_get(client: Any, path: str) -> None:
    assert client.ask("HEAD", path).headers == client.get(path).headers
