"""/openapi.json, Swagger UI at /docs and ReDoc at /redoc; every file comes from this process."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ekiben.serving.problems import problem_response
from ekiben.serving.read_only import ReadOnly

# Addresses are relative, so that the pages also work behind a prefix.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="docs/assets/favicon.svg">
<link rel="stylesheet" href="docs/assets/{style}">
</head>
<body>
<div id="page"></div>
<script src="docs/assets/{bundle}"></script>
<script src="docs/assets/{start}"></script>
</body>
</html>
"""
_SWAGGER_START = b"""SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""
_REDOC_START = b"""Redoc.init("openapi.json", {
  nativeScrollbars: true,
  theme: { typography: {
    fontFamily: "system-ui, sans-serif",
    headings: { fontFamily: "system-ui, sans-serif" },
  } },
}, document.getElementById("page"));
"""
_REDOC_STYLE = b"body { margin: 0; }\n"
_FAVICON = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">
<rect width="16" height="16" rx="3" fill="#8c2f1b"/>
<path d="M2 2h7v12H2zM10 2h4v5h-4zM10 8h4v6h-4z" fill="#f6e7c8"/></svg>
"""

# ReDoc shows its maker's logo from an outside address; without it, it shows none.
_OUTSIDE_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"

PART = 64 * 1024
"""Bytes of an asset that are sent at once."""

_CSP = (
    "default-src 'none'; script-src 'self'; style-src {style}; img-src 'self' data:; "
    "connect-src 'self'; worker-src {worker}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# ReDoc makes its styles at run time and searches in a worker that it makes itself.
SWAGGER_CSP = _CSP.format(style="'self'", worker="'none'")
REDOC_CSP = _CSP.format(style="'self' 'unsafe-inline'", worker="blob:")

_JAVASCRIPT = "text/javascript; charset=utf-8"
_CSS = "text/css; charset=utf-8"


class InParts(Response):
    """A large answer of which only one part at a time waits for a client to read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head and the parts."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        whole = memoryview(self.body)
        for begin in range(0, len(whole), PART):
            part = whole[begin : begin + PART]
            body = {"type": "http.response.body", "body": part, "more_body": True}
            await send(body)
        await send({"type": "http.response.body", "body": b""})


def docs_routes(document: Mapping[str, object]) -> list[Route]:
    """Return the routes that show the OpenAPI *document*, and / that leads to them."""
    openapi = orjson.dumps(document)
    assets = _assets(_vendored())

    def describe(request: Request) -> Response:
        return Response(openapi, media_type="application/json")

    def to_docs(request: Request) -> Response:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/docs", 307)

    def asset(request: Request) -> Response:
        found = assets.get(request.path_params["name"])
        if found is None:
            return problem_response(request.scope, "not_found")
        media_type, read = found
        return InParts(
            read(),
            headers={
                "Cache-Control": "public, max-age=3600",
                "X-Content-Type-Options": "nosniff",
            },
            media_type=media_type,
        )

    return [
        Route("/openapi.json", ReadOnly(describe)),
        Route("/docs", ReadOnly(_swagger)),
        Route("/redoc", ReadOnly(_redoc)),
        Route("/docs/assets/{name}", ReadOnly(asset)),
        Route("/", ReadOnly(to_docs)),
    ]


def _swagger(request: Request) -> Response:
    html = _PAGE.format(
        title="Ekiben: Swagger UI",
        style="swagger-ui.css",
        bundle="swagger-ui-bundle.js",
        start="swagger-start.js",
    )
    return _page(html, SWAGGER_CSP)


def _redoc(request: Request) -> Response:
    html = _PAGE.format(
        title="Ekiben: ReDoc",
        style="redoc.css",
        bundle="redoc.standalone.js",
        start="redoc-start.js",
    )
    return _page(html, REDOC_CSP)


def _page(html: str, policy: str) -> Response:
    return Response(
        html,
        headers={
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        },
        media_type="text/html; charset=utf-8",
    )


def _vendored() -> Path:
    # Found but not imported: importing fastapi_offline would load all of FastAPI.
    spec = find_spec("fastapi_offline")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("fastapi-offline, which carries the pages' files")
    return Path(spec.submodule_search_locations[0]) / "static"


def _assets(folder: Path) -> Mapping[str, tuple[str, Callable[[], bytes]]]:
    """Return media type and reader by name; no other file of *folder* is served."""
    # Read when first asked for, and kept: a copy for each request would let clients that
    # do not read hold megabytes each.
    swagger = folder / "swagger-ui-bundle.js"
    redoc = folder / "redoc.standalone.js"
    return {
        "swagger-ui-bundle.js": (_JAVASCRIPT, cache(swagger.read_bytes)),
        "swagger-ui.css": (_CSS, cache((folder / "swagger-ui.css").read_bytes)),
        "swagger-start.js": (_JAVASCRIPT, lambda: _SWAGGER_START),
        "redoc.standalone.js": (
            _JAVASCRIPT,
            cache(lambda: redoc.read_bytes().replace(_OUTSIDE_LOGO, b"data:,")),
        ),
        "redoc.css": (_CSS, lambda: _REDOC_STYLE),
        "redoc-start.js": (_JAVASCRIPT, lambda: _REDOC_START),
        "favicon.svg": ("image/svg+xml", lambda: _FAVICON),
    }
