"""POST /v1/{use_case}/predict, for every use case of the catalogue, on both paths."""

import json
import math
import uuid
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from ekiben.predictor import load_predictor, same
from ekiben.registry.store import Store
from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.use_case import UseCase
from tests.tiny import productions

pytestmark = pytest.mark.server

each_use_case = pytest.mark.parametrize("use_case", USE_CASES, ids=lambda u: u.name)


def predict(client: httpx.Client, use_case: UseCase, rows: list[Any]) -> httpx.Response:
    return client.post(f"/v1/{use_case.name}/predict", json={"rows": rows})


def strict_json(response: httpx.Response) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(response.content, parse_constant=refuse)


@each_use_case
def test_every_row_gets_one_typed_prediction_in_order(
    client: httpx.Client, use_case: UseCase
) -> None:
    rows = use_case.examples * 3

    response = predict(client, use_case, rows)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    predictions = strict_json(response)
    assert len(predictions) == len(rows)
    for prediction in predictions:
        use_case.prediction.model_validate(prediction)
        assert uuid.UUID(prediction["prediction_id"]).version == 7
    half = len(use_case.examples)
    without = [{**p, "prediction_id": ""} for p in predictions]
    assert without[:half] == without[half : 2 * half]


@each_use_case
def test_ids_are_unique_and_the_exact_tag_is_named(
    client: httpx.Client, home: Path, use_case: UseCase
) -> None:
    alias = productions(home)[use_case.name]

    response = predict(client, use_case, use_case.examples * 50)

    predictions = response.json()
    assert len({p["prediction_id"] for p in predictions}) == len(predictions)
    assert {p["model"] for p in predictions} == {alias.tag}
    assert response.headers["x-model"] == alias.tag


@each_use_case
def test_the_answer_equals_the_offline_prediction_of_the_named_version(
    client: httpx.Client, home: Path, use_case: UseCase
) -> None:
    store = Store.at(home)
    predictions = predict(client, use_case, use_case.examples).json()
    offline = load_predictor(store, use_case, predictions[0]["model"])

    expected = offline.predict_raw(use_case.examples)

    for prediction, fields in zip(predictions, expected, strict=True):
        del prediction["prediction_id"], prediction["model"]
        assert same(fields, prediction)


@each_use_case
def test_a_thousand_rows_are_answered_and_one_more_is_refused(
    client: httpx.Client, use_case: UseCase
) -> None:
    most = predict(client, use_case, use_case.examples[:1] * 1000)
    over = predict(client, use_case, use_case.examples[:1] * 1001)

    assert most.status_code == 200
    assert len(most.json()) == 1000
    assert over.status_code == 422
    assert over.json()["errors"][0]["loc"] == ["rows"]


@each_use_case
def test_the_order_of_fields_does_not_matter(
    client: httpx.Client, use_case: UseCase
) -> None:
    row = use_case.examples[0]
    turned = dict(reversed(row.items()))

    first, second = predict(client, use_case, [row, turned]).json()

    assert {**first, "prediction_id": ""} == {**second, "prediction_id": ""}


def test_log_probabilities_are_finite_logarithms(client: httpx.Client) -> None:
    iris = USE_CASES[0]

    (prediction,) = predict(client, iris, iris.examples[:1]).json()

    for species, p in prediction["probabilities"].items():
        expected = math.log(max(p, 1e-15))
        assert prediction["log_probabilities"][species] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param("req-42.a_b", True, id="sane"),
        pytest.param("x" * 129, False, id="too-long"),
        pytest.param("a b", False, id="space"),
        pytest.param('"><script>', False, id="markup"),
    ],
)
def test_a_sane_request_id_comes_back_and_another_is_replaced(
    client: httpx.Client, given: str, kept: bool
) -> None:
    iris = USE_CASES[0]

    response = client.post(
        "/v1/iris/predict",
        json={"rows": iris.examples},
        headers={"X-Request-ID": given},
    )

    assert response.status_code == 200
    assert (response.headers["x-request-id"] == given) is kept
    assert response.headers["x-request-id"]


def test_a_content_type_with_utf_8_is_taken(client: httpx.Client) -> None:
    iris = USE_CASES[0]

    response = client.post(
        "/v1/iris/predict",
        content=json.dumps({"rows": iris.examples}),
        headers={"Content-Type": "application/json; charset=utf-8"},
    )

    assert response.status_code == 200


def test_a_deadline_that_cannot_be_kept_is_504(client: httpx.Client) -> None:
    # Of texts this long a thousand take any machine many times the deadline.
    row = {"text": "free prize, call now " * 40}

    response = client.post(
        "/v1/spam/predict", json={"rows": [row] * 1000}, headers={"X-Deadline-Ms": "1"}
    )

    assert response.status_code == 504
    assert response.json()["code"] == "deadline_exceeded"


@pytest.mark.parametrize("value", ["soon", "-1", "0", "1.5", ""])
def test_a_deadline_that_is_no_whole_number_is_refused(
    client: httpx.Client, value: str
) -> None:
    response = client.post(
        "/v1/iris/predict",
        json={"rows": USE_CASES[0].examples},
        headers={"X-Deadline-Ms": value},
    )

    assert response.status_code == 422
    assert response.json()["code"] == "validation_failed"
