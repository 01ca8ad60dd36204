import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from ekiben.schemas.model_card import ModelCard
from ekiben.serving.read_api import Versions, groups_of, read_routes
from ekiben.serving.roster import Served


class OneVersion:
    def __init__(self, card: ModelCard) -> None:
        self.served = Served(use_case="iris", production=card.tag, card=card)

    def listing(self) -> Sequence[Served]:
        return [self.served]

    def find(self, use_case: str) -> Served | None:
        return self.served


class BrokenVersions:
    def listing(self) -> Sequence[Served]:
        raise RuntimeError("s3cret")

    def find(self, use_case: str) -> Served | None:
        raise RuntimeError("s3cret")


@pytest.fixture
def client(connect: Any, versions: Versions) -> Any:
    return connect(read_routes(versions))


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == "req-1"
    assert "s3cret" not in response.text


def test_the_listing_names_every_use_case_and_its_aliases(client: Any) -> None:
    response = client.get("/v1/models")

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == [
        {
            "use_case": "iris",
            "production": "iris:k3v5q2rx6c4nyaav",
            "previous": "iris:older",
            "canary": None,
            "shadow": None,
            "since": "2026-11-20T09:00:00Z",
            "ready": True,
        },
        {
            "use_case": "spam",
            "production": "spam:broken",
            "previous": None,
            "canary": None,
            "shadow": None,
            "since": None,
            "ready": False,
        },
    ]


def test_the_card_is_that_of_the_serving_version(client: Any, card: ModelCard) -> None:
    body = client.get("/v1/models/iris").json()

    assert body == {
        **card.model_dump(mode="json"),
        "production": card.tag,
        "previous": "iris:older",
        "since": "2026-11-20T09:00:00Z",
    }


@pytest.mark.parametrize(
    ("query", "rows", "metric"),
    [
        pytest.param("", 30, "accuracy", id="overall-is-the-default"),
        pytest.param("?filter=overall", 30, "accuracy", id="overall"),
        pytest.param("?filter=class:setosa", None, "recall", id="class"),
        pytest.param("?filter=slice:petals:long", 12, "accuracy", id="slice"),
        pytest.param("?filter=class%3Asetosa", None, "recall", id="percent-encoded"),
        pytest.param("?colour=red", 30, "accuracy", id="other-parameters-are-ignored"),
    ],
)
def test_performance_is_that_of_one_group(
    client: Any, query: str, rows: int | None, metric: str
) -> None:
    body = client.get(f"/v1/models/iris/performance{query}").json()

    assert body["model"] == "iris:k3v5q2rx6c4nyaav"
    assert body["filters"] == ["overall", "class:setosa", "slice:petals:long"]
    assert body["offline"]["rows"] == rows
    assert set(body["offline"]["metrics"][metric]) == {"value", "low", "high"}


def test_every_group_of_an_evaluation_has_a_filter(card: ModelCard) -> None:
    assert list(groups_of(card.evaluation)) == [
        "overall",
        "class:setosa",
        "slice:petals:long",
    ]


def test_parameters_are_listed_and_shown_one_by_one(client: Any) -> None:
    listed = client.get("/v1/models/iris/params").json()
    one = client.get("/v1/models/iris/params/clf__C").json()
    null = client.get("/v1/models/iris/params/penalty").json()

    parameters = {"clf__C": 1.0, "penalty": None, "classes": ["a", "b"]}
    about = {"use_case": "iris", "model": "iris:k3v5q2rx6c4nyaav"}
    assert listed == {**about, "parameters": parameters}
    assert one == {**about, "name": "clf__C", "value": 1.0}
    assert null == {**about, "name": "penalty", "value": None}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/v1/models/s3cret", id="use-case"),
        pytest.param("/v1/models/s3cret/performance", id="performance"),
        pytest.param("/v1/models/s3cret/params", id="parameters"),
        pytest.param("/v1/models/iris/performance?filter=s3cret", id="filter"),
        pytest.param("/v1/models/iris/performance?filter=", id="empty-filter"),
        pytest.param("/v1/models/iris/params/s3cret", id="parameter"),
    ],
)
def test_what_is_unknown_is_not_found(client: Any, path: str) -> None:
    assert_problem(client.get(path), 404, "not_found")


@pytest.mark.parametrize("rest", ["", "/performance", "/params", "/params/clf__C"])
def test_a_use_case_without_a_version_is_not_ready(client: Any, rest: str) -> None:
    response = client.get(f"/v1/models/spam{rest}")

    assert_problem(response, 503, "not_ready")
    assert int(response.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/iris", "/v1/models/iris/params/clf__C"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_not_allowed(client: Any, method: str, path: str) -> None:
    response = client.ask(method, path)

    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD"


def test_head_has_the_headers_of_get(client: Any) -> None:
    head = client.ask("HEAD", "/v1/models/iris")
    get = client.get("/v1/models/iris")

    assert head.status_code == 200
    assert head.headers == get.headers


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/iris"])
def test_a_failure_is_internal_and_opaque(
    connect: Any,
    path: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = connect(read_routes(BrokenVersions())).get(path)

    assert_problem(response, 500, "internal")
    assert "a read route failed" in caplog.text


def test_a_metric_that_is_no_number_is_still_json(
    connect: Any, card: ModelCard
) -> None:
    metric = card.evaluation.overall["accuracy"].model_copy(
        update={"value": float("nan")}
    )
    evaluation = card.evaluation.model_copy(update={"overall": {"accuracy": metric}})
    odd = card.model_copy(update={"evaluation": evaluation})

    text = connect(read_routes(OneVersion(odd))).get("/v1/models/iris").text

    assert json.loads(text)["evaluation"]["overall"]["accuracy"]["value"] is None
