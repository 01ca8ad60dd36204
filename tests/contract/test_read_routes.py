"""The GET routes, health, metrics and pages of a running server."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate

from ekiben.use_cases.catalog import USE_CASES
from tests.servers import PROJECT, START_SECONDS, environment, serve
from tests.tiny import productions

pytestmark = pytest.mark.server

NAMES = [one.name for one in USE_CASES]


def test_every_use_case_is_listed_with_its_production_version(
    client: httpx.Client, home: Path
) -> None:
    production = productions(home)

    listed = client.get("/v1/models").json()

    assert [one["use_case"] for one in listed] == NAMES
    assert {one["use_case"]: one["production"] for one in listed} == {
        name: alias.tag for name, alias in production.items()
    }
    assert all(one["ready"] and one["since"] for one in listed)


@pytest.mark.parametrize("name", NAMES)
def test_a_card_tells_data_metrics_parameters_and_libraries(
    client: httpx.Client, name: str
) -> None:
    card = client.get(f"/v1/models/{name}").json()

    assert card["tag"].startswith(f"{name}:")
    assert re.fullmatch(r"[0-9a-f]{64}", card["data"]["sha256"])
    assert card["data"]["rows"] > 100
    assert card["libraries"]["scikit-learn"]
    assert card["parameters"]
    for metric in card["evaluation"]["overall"].values():
        assert metric["low"] <= metric["value"] <= metric["high"]
    assert card["evaluation"]["per_class"]


@pytest.mark.parametrize("name", NAMES)
def test_performance_answers_by_filter(client: httpx.Client, name: str) -> None:
    overall = client.get(f"/v1/models/{name}/performance").json()

    assert overall["filter"] == "overall"
    for one in overall["filters"]:
        got = client.get(f"/v1/models/{name}/performance", params={"filter": one})
        assert got.status_code == 200
        # A slice of few rows may leave every metric undefined.
        assert got.json()["offline"]["metrics"] or one.startswith("slice:")


@pytest.mark.parametrize("name", NAMES)
def test_parameters_answer_one_by_one(client: httpx.Client, name: str) -> None:
    parameters = client.get(f"/v1/models/{name}/params").json()["parameters"]

    for key, value in parameters.items():
        one = client.get(f"/v1/models/{name}/params/{key}")
        assert one.json()["value"] == value


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/nope",
        "/v1/models/iris/performance?filter=nope",
        "/v1/models/iris/params/nope",
        "/v1/nope/predict",
        "/v1/iris/predict/",
        "/v1/iris//predict",
        "/v1/iris/%70redict",
        "/v1/models%2firis",
        "/docs.json",
        "/static_content/index.html",
        "/assets/index.js",
        "/admin",
        "/" + "x" * 8000,
    ],
)
def test_what_is_not_there_is_404_with_the_one_body(
    client: httpx.Client, path: str
) -> None:
    response = client.get(path)

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "not_found"
    assert response.json()["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/iris/predict", {"POST"}),
        ("DELETE", "/v1/iris/predict", {"POST"}),
        ("OPTIONS", "/v1/iris/predict", {"POST"}),
        ("POST", "/v1/models", {"GET", "HEAD"}),
        ("PUT", "/livez", {"GET", "HEAD"}),
        ("POST", "/metrics", {"GET", "HEAD"}),
        ("POST", "/docs", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_405_and_allow_names_the_right_ones(
    client: httpx.Client, method: str, path: str, allow: set[str]
) -> None:
    response = client.request(method, path)

    assert response.status_code == 405
    assert response.headers["content-type"] == "application/problem+json"
    assert set(response.headers["allow"].replace(" ", "").split(",")) == allow


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/healthz", "/v1/models", "/docs"]
)
def test_head_is_answered_like_get_without_a_body(
    client: httpx.Client, path: str
) -> None:
    response = client.head(path)

    assert response.status_code == 200
    assert response.content == b""


@pytest.mark.parametrize(
    "path", ["/livez", "/v1/models", "/openapi.json", "/metrics", "/docs"]
)
def test_every_answer_carries_a_request_id(client: httpx.Client, path: str) -> None:
    response = client.get(path, headers={"X-Request-ID": "mine-1"})

    assert response.headers["x-request-id"] == "mine-1"


def test_the_openapi_document_is_valid_and_names_every_route(
    client: httpx.Client,
) -> None:
    document = client.get("/openapi.json").json()

    validate(document)
    assert document["openapi"].startswith("3.1")
    expected = {f"/v1/{name}/predict" for name in NAMES} | {
        "/v1/models",
        "/v1/models/{use_case}",
        "/v1/models/{use_case}/performance",
        "/v1/models/{use_case}/params",
        "/v1/models/{use_case}/params/{name}",
        "/livez",
        "/readyz",
        "/healthz",
        "/metrics",
        "/schema.json",
        "/openapi.json",
        "/docs",
        "/redoc",
    }
    assert expected <= document["paths"].keys()


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_a_page_and_all_it_needs_come_from_this_server(
    client: httpx.Client, page: str
) -> None:
    html = client.get(page).text

    sources = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert sources
    for source in sources:
        url = client.base_url.join(page).join(source)
        assert url.host == client.base_url.host
        assert client.get(url).status_code == 200


def test_the_root_leads_to_the_docs(client: httpx.Client) -> None:
    response = client.get("/", follow_redirects=False)

    assert response.status_code == 307
    assert response.headers["location"] == "/docs"


def of_requests(page: str) -> list[str]:
    """Return the lines of *page* but those that jobs beside the requests add in their time."""
    jobs = ("ekiben_live", "ekiben_feedback", "ekiben_drift", "ekiben_log")
    return [
        line
        for line in page.splitlines()
        if not line.removeprefix("# HELP ").removeprefix("# TYPE ").startswith(jobs)
    ]


def test_unknown_paths_leave_no_trace_in_the_metrics(client: httpx.Client) -> None:
    client.get("/warm-up")
    before = client.get("/metrics").text
    for number in range(300):
        client.get(f"/random/{number}")

    after = client.get("/metrics").text

    assert len(of_requests(after)) == len(of_requests(before))
    assert "random" not in after


def test_requests_rows_and_batches_are_counted(client: httpx.Client) -> None:
    def value(name: str) -> float:
        lines = client.get("/metrics").text.splitlines()
        return sum(float(x.split()[-1]) for x in lines if x.startswith(name))

    tag = client.get("/v1/models/iris").json()["tag"]
    labels = f'{{model="{tag}",use_case="iris"}}'
    names = (
        'ekiben_requests_total{code="",status="200",use_case="iris"}',
        f"ekiben_rows_total{labels}",
        f"ekiben_batch_rows_sum{labels}",
        f"ekiben_queue_seconds_count{labels}",
        f"ekiben_model_seconds_count{labels}",
        f"ekiben_request_seconds_count{labels}",
    )
    before = [value(name) for name in names]

    client.post("/v1/iris/predict", json={"rows": USE_CASES[0].examples * 5})

    rows = len(USE_CASES[0].examples) * 5
    grown = [value(name) - old for name, old in zip(names, before, strict=True)]
    assert grown == [1, rows, rows, 1, 1, 1]


def test_what_training_prints_is_what_the_card_shows(
    tmp_path: Path, data_settings: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "train.py", "turnover", "--promote", "--json"],
        cwd=PROJECT,
        env=environment(tmp_path, data_settings),
        capture_output=True,
        text=True,
        check=True,
    )
    (printed,) = json.loads(done.stdout)

    with serve(tmp_path, extra={"EKIBEN_MODELS": "turnover"}) as running:
        card: dict[str, Any] = httpx.get(f"{running.url}/v1/models/turnover").json()

    assert card["tag"] == printed["tag"]
    assert card["evaluation"]["overall"] == printed["metrics"]
    assert card["data"] == printed["data"]


def test_without_a_promoted_version_the_server_says_so_and_stays_red(
    tmp_path: Path,
) -> None:
    with serve(tmp_path, ready=False) as running, running.client() as c:
        wait_until_loaded(c)
        ready = c.get("/readyz")
        predict = c.post("/v1/iris/predict", json={"rows": USE_CASES[0].examples})
        card = c.get("/v1/models/iris")
        (iris, *_) = c.get("/v1/models").json()
        printed = running.output.read_text()

    assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
    assert "no version is promoted yet" in ready.json()["detail"]
    assert (predict.status_code, predict.json()["code"]) == (503, "not_ready")
    assert int(predict.headers["retry-after"]) >= 1
    assert card.status_code == 503
    assert (iris["ready"], iris["production"]) == (False, None)
    assert "Traceback" not in printed
    lines = [json.loads(x) for x in printed.splitlines() if x.startswith("{")]
    unpromoted = [one for one in lines if one["message"] == "no version promoted"]
    assert [one["use_case"] for one in unpromoted] == NAMES
    assert {one["level"] for one in unpromoted} == {"WARNING"}


def test_without_its_ledger_the_server_says_so_and_stays_red(tmp_path: Path) -> None:
    nowhere = {"EKIBEN_DATABASE_URL": "postgresql://ada:s3cret@127.0.0.1:1/ledger"}
    with serve(tmp_path, extra=nowhere, ready=False) as running, running.client() as c:
        wait_until_loaded(c)
        alive = c.get("/livez")
        ready = c.get("/readyz")
        predict = c.post("/v1/iris/predict", json={"rows": USE_CASES[0].examples})
        printed = running.output.read_text()

    assert alive.status_code == 200
    assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
    assert "iris: the ledger is unavailable" in ready.json()["detail"]
    assert (predict.status_code, predict.json()["code"]) == (503, "not_ready")
    assert "ledger unavailable" in printed
    assert "s3cret" not in printed
    assert "Traceback" not in printed


def test_a_damaged_version_is_refused_and_the_others_serve(
    tmp_path: Path, home: Path
) -> None:
    shutil.copytree(home / "models", tmp_path / "models")
    shutil.copytree(home / "ekiben", tmp_path / "ekiben")
    alias = productions(tmp_path)["spam"]
    path = tmp_path / "models" / alias.tag.replace(":", "/") / "saved_model.pkl"
    content = bytearray(path.read_bytes())
    content[1000] ^= 0x10
    path.write_bytes(content)

    with serve(tmp_path, ready=False) as running, running.client() as c:
        wait_until_loaded(c)
        spam = c.post("/v1/spam/predict", json={"rows": USE_CASES[3].examples})
        iris = c.post("/v1/iris/predict", json={"rows": USE_CASES[0].examples})
        ready = c.get("/readyz")

    assert (spam.status_code, spam.json()["code"]) == (503, "not_ready")
    assert iris.status_code == 200
    assert ready.status_code == 503
    assert "spam: its production version was refused" in ready.json()["detail"]


def wait_until_loaded(client: httpx.Client) -> None:
    """Wait until no use case is being loaded any more."""
    end = time.monotonic() + START_SECONDS
    while "being loaded" in client.get("/readyz").text:
        assert time.monotonic() < end, "still loading"
        time.sleep(0.1)
