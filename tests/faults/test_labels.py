"""C-31, C-39 and C-76: what strangers ask for leaves no trace in metrics and memory, and every refusal counts once."""

import random
import time
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import pytest
from _bentoml_impl.server.app import ServiceAppFactory

from ekiben.use_cases.catalog import USE_CASES
from service import Ekiben
from tests.faults.raw import request, say
from tests.servers import Server
from tests.timing import at_most, measures_time

pytestmark = pytest.mark.server

GOOD = {"rows": USE_CASES[0].examples}
REFRESHED = ("ekiben_drift_", "ekiben_live_quality", "ekiben_feedback_coverage")
"""What a server measures by itself, first a minute after its start."""


def samples(client: httpx.Client) -> dict[str, float]:
    """Return every sample of /metrics by name and labels."""
    lines = client.get("/metrics").text.splitlines()
    split = (one.rsplit(" ", 1) for one in lines if one and not one.startswith("#"))
    return {name: float(value) for name, value in split}


def ask_at_random(client: httpx.Client, count: int, rng: random.Random) -> None:
    """Ask for paths, queries, headers, methods and models that nobody else ever asks for."""
    for _ in range(count):
        word = rng.randbytes(8).hex()
        client.get(f"/{word}")
        client.get(f"/v1/models?{word}={word}", headers={f"X-{word}": word})
        client.request(word[:3].upper() or "GET", "/livez")
    for _ in range(count // 10):
        word = rng.randbytes(8).hex()
        client.get(f"/v1/models/{word}")
        client.post(f"/v1/{word}/predict", json=GOOD)
        client.get("/livez", headers={"X-Request-ID": word, "User-Agent": word})


def measure(server: Server, count: int) -> tuple[int, int, float]:
    """Return by how many lines and bytes the server grew, and how long /metrics took."""
    (worker,) = server.workers()
    process = psutil.Process(worker)
    rng = random.Random(31)
    with server.client() as client:
        ask_at_random(client, 200, rng)
        before, memory = samples(client), process.memory_info().rss
        ask_at_random(client, count, rng)
        start = time.monotonic()
        after = samples(client)
        took = time.monotonic() - start
    new = [one for one in after.keys() - before if not one.startswith(REFRESHED)]
    return len(new), process.memory_info().rss - memory, took


def test_c31_random_requests_leave_nothing_behind(server: Server) -> None:
    lines, memory, _ = measure(server, 500)

    assert lines == 0
    assert memory <= 5 * 2**20


@pytest.mark.alone
@pytest.mark.slow
@measures_time
def test_c31_random_requests_in_full_numbers(server: Server) -> None:
    lines, memory, took = measure(server, 10_000)

    assert lines == 0
    assert memory <= 5 * 2**20
    at_most(0.1, took)


def test_c31_without_the_edge_each_path_is_a_label_for_ever(bare: Server) -> None:
    lines, _, _ = measure(bare, 100)

    assert lines > 100


def bentoml_routes() -> list[str]:
    """Return every path that the installed BentoML serves by itself."""
    service: Any = Ekiben
    service.inject_config()
    application = ServiceAppFactory(service, is_main=True)()
    found: list[str] = []

    def walk(node: Any, prefix: str) -> None:
        for route in getattr(node, "routes", None) or []:
            path = prefix + getattr(route, "path", "")
            found.append(path)
            walk(getattr(route, "app", None), path)

    walk(application, "")
    return found


def test_c39_of_bentoml_s_own_routes_only_documented_ones_answer(
    server: Server,
) -> None:
    extra = [
        "/docs.json",
        "/static_content/index.html",
        "/predict_iris",
        "/task/status",
    ]
    with server.client() as client:
        documented = set(client.get("/openapi.json").json()["paths"])
        routes = {one.rstrip("/") or "/" for one in [*bentoml_routes(), *extra]}
        assert {"/livez", "/readyz", "/metrics"} <= routes
        for path in sorted(routes - documented - {"/"}):
            for method in ("GET", "POST"):
                assert client.request(method, path).status_code == 404, path


def refuse_by(way: str) -> Callable[[Server, httpx.Client], object]:
    return {
        "not-json": lambda s, c: c.post("/v1/iris/predict", content=b"{", headers=JSON),
        "invalid": lambda s, c: c.post("/v1/iris/predict", json={}),
        "type": lambda s, c: c.post("/v1/iris/predict", content=b"{}"),
        "too-long": lambda s, c: say(s.url, TOO_LONG),
        "method": lambda s, c: c.get("/v1/iris/predict"),
        "page-method": lambda s, c: c.post("/livez"),
        "metrics-method": lambda s, c: c.post("/metrics"),
        "path": lambda s, c: c.get("/nowhere"),
        "escaped-path": lambda s, c: c.get("/%2e%2e"),
        "model": lambda s, c: c.get("/v1/models/nobody"),
        "deadline": lambda s, c: c.post(
            "/v1/iris/predict", json=GOOD, headers={"X-Deadline-Ms": "x"}
        ),
        "no-host": lambda s, c: say(s.url, request(b"GET /livez", host=b"")),
        "garbage": lambda s, c: say(s.url, b"\x00\r\n\r\n"),
        "large-header": lambda s, c: say(
            s.url, request(b"GET /livez", b"X: " + b"a" * 40_000 + b"\r\n")
        ),
    }[way]  # fmt: skip


JSON = {"Content-Type": "application/json"}
TOO_LONG = request(
    b"POST /v1/iris/predict",
    b"Content-Type: application/json\r\nContent-Length: 99999999\r\n",
)


@pytest.mark.parametrize(
    ("way", "use_case", "status", "code"),
    [
        ("not-json", "iris", 400, "invalid_json"),
        ("invalid", "iris", 422, "validation_failed"),
        ("type", "iris", 415, "unsupported_media_type"),
        ("too-long", "iris", 413, "payload_too_large"),
        ("method", "iris", 405, "method_not_allowed"),
        ("deadline", "iris", 422, "validation_failed"),
        ("page-method", "", 405, "method_not_allowed"),
        ("metrics-method", "", 405, "method_not_allowed"),
        ("path", "", 404, "not_found"),
        ("escaped-path", "", 404, "not_found"),
        ("model", "", 404, "not_found"),
        ("no-host", "", 400, "bad_request"),
        ("garbage", "", 400, "bad_request"),
        ("large-header", "", 431, "headers_too_large"),
    ],
)
def test_c76_a_refusal_counts_once(
    server: Server, way: str, use_case: str, status: int, code: str
) -> None:
    with server.client() as client:
        before = refusals(client)
        refuse_by(way)(server, client)
        after = refusals(client)

    grown = {key: value - before.get(key, 0) for key, value in after.items()}
    labels = f'{{code="{code}",status="{status}",use_case="{use_case}"}}'
    assert {key: value for key, value in grown.items() if value} == {
        f"ekiben_requests_total{labels}": 1
    }


def refusals(client: httpx.Client) -> dict[str, float]:
    return {
        key: value
        for key, value in samples(client).items()
        if key.startswith("ekiben_requests_total") and 'status="200"' not in key
    }
