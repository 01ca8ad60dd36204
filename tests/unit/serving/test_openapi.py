import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import OpenAPIV31SpecValidator

from ekiben.serving.docs_pages import docs_routes
from ekiben.serving.openapi import openapi_document
from ekiben.serving.problems import REFUSALS
from ekiben.serving.read_api import Versions, read_routes
from ekiben.use_cases.use_case import UseCase

Operation = dict[str, Any]


@pytest.fixture(scope="module")
def document(use_cases: Sequence[UseCase]) -> dict[str, Any]:
    return openapi_document(use_cases, "1.2.3")


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, Operation]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    whole = {**schema, "components": document["components"]}
    return Draft202012Validator(
        whole, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()

    assert document["openapi"].startswith("3.1")
    assert document["info"]["version"] == "1.2.3"
    assert document == json.loads(json.dumps(document))


def test_every_operation_is_named_once_tagged_and_described(
    document: dict[str, Any],
) -> None:
    found = [operation for _, _, operation in operations(document)]
    tags = {tag["name"] for tag in document["tags"]}

    names = [operation["operationId"] for operation in found]
    assert len(set(names)) == len(names)
    for operation in found:
        assert set(operation["tags"]) <= tags
        assert operation["summary"]
        assert operation["description"]


def test_every_use_case_has_its_own_path(document: dict[str, Any]) -> None:
    predict = [path for path in document["paths"] if path.endswith("/predict")]

    assert predict == [
        f"/v1/{name}/predict"
        for name in ("iris", "turnover", "fraud", "spam", "topics")
    ]


def test_every_route_is_documented(
    document: dict[str, Any], versions: Versions
) -> None:
    routes = [*read_routes(versions), *docs_routes(document)]

    served = {route.path for route in routes} - {"/docs/assets/{name}"}
    assert served <= set(document["paths"])


def test_every_answer_is_described(document: dict[str, Any]) -> None:
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            assert response["description"]
            assert "X-Request-ID" in response["headers"]
            if status >= "400":
                content = response["content"]["application/problem+json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            if status in ("429", "503"):
                assert "Retry-After" in response["headers"]
            if status == "401":
                assert "WWW-Authenticate" in response["headers"]


def test_every_operation_that_asks_for_a_key_says_so(
    document: dict[str, Any], use_cases: Sequence[UseCase]
) -> None:
    open_to_all = {"/", "/livez", "/readyz", "/healthz"}

    assert document["components"]["securitySchemes"]["key_or_token"]["scheme"] == (
        "bearer"
    )
    for path, _, operation in operations(document):
        assert ("security" in operation) is (path not in open_to_all)
        assert ("401" in operation["responses"]) is (path not in open_to_all)
    predict = document["paths"]["/v1/iris/predict"]["post"]
    assert predict["security"] == [{"key_or_token": ["predict"]}]
    without = openapi_document(use_cases, "1", anonymous=True)
    assert {} in without["paths"]["/v1/iris/predict"]["post"]["security"]


def test_every_refusal_is_documented(document: dict[str, Any]) -> None:
    # It belongs to methods, and a document lists only those that there are.
    told_in_words = {"method_not_allowed"}
    codes = {
        code
        for _, _, operation in operations(document)
        for response in operation["responses"].values()
        for code in response.get("content", {})
        .get("application/problem+json", {})
        .get("examples", {})
    }

    assert codes == set(REFUSALS) - told_in_words
    assert all(code in document["info"]["description"] for code in told_in_words)


def test_predict_says_all_it_can_answer(document: dict[str, Any]) -> None:
    operation = document["paths"]["/v1/iris/predict"]["post"]

    statuses = [200, 400, 401, 403, 408, 413, 415, 422, 429, 431, 500, 503, 504]
    assert list(operation["responses"]) == [str(one) for one in statuses]
    assert "X-Model" in operation["responses"]["200"]["headers"]
    assert {parameter["name"] for parameter in operation["parameters"]} == {
        "X-Request-ID",
        "X-Deadline-Ms",
        "traceparent",
    }


def test_a_request_is_1_to_1000_rows_and_nothing_else(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["IrisFlowerRows"]

    assert schema["additionalProperties"] is False
    assert schema["required"] == ["rows"]
    bounds = schema["properties"]["rows"]
    assert (bounds["minItems"], bounds["maxItems"]) == (1, 1000)
    assert bounds["items"] == {"$ref": "#/components/schemas/IrisFlower"}


def examples(content: dict[str, Any]) -> Iterator[Any]:
    if "example" in content:
        yield content["example"]
    for one in content.get("examples", {}).values():
        yield one["value"]


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    checked = 0
    for _, _, operation in operations(document):
        described = [operation.get("requestBody", {}), *operation["responses"].values()]
        contents = [
            content for one in described for content in one.get("content", {}).values()
        ]
        for content in [*contents, *operation["parameters"]]:
            for example in examples(content):
                validator(document, content["schema"]).validate(example)
                checked += 1

    assert checked > 50


def test_every_predict_route_shows_a_request_and_an_answer(
    document: dict[str, Any],
) -> None:
    for path, _, operation in operations(document):
        if path.endswith("/predict"):
            request = operation["requestBody"]["content"]["application/json"]
            answer = operation["responses"]["200"]["content"]["application/json"]
            assert list(examples(request))
            assert list(examples(answer))


def test_examples_of_probabilities_sum_to_one(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        if path.endswith("/predict"):
            answer = operation["responses"]["200"]["content"]["application/json"]
            for prediction in answer["example"]:
                shares = prediction.get("probabilities", {"all": 1.0})
                assert sum(shares.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("row", "fits"),
    [
        pytest.param({}, True, id="example"),
        pytest.param({"sepal_length": "5"}, False, id="text"),
        pytest.param({"sepal_length": 0}, False, id="zero"),
        pytest.param({"sepal_length": 31}, False, id="too-large"),
        pytest.param({"colour": "red"}, False, id="unknown-field"),
    ],
)
def test_the_schema_refuses_what_the_server_refuses(
    document: dict[str, Any],
    use_cases: Sequence[UseCase],
    row: dict[str, Any],
    fits: bool,
) -> None:
    body = {"rows": [{**use_cases[0].examples[0], **row}]}
    schema = {"$ref": "#/components/schemas/IrisFlowerRows"}

    assert validator(document, schema).is_valid(body) is fits


def test_the_card_of_a_version_fits_its_schema(
    document: dict[str, Any], versions: Versions, connect: Any
) -> None:
    client = connect(read_routes(versions))
    addresses = {
        "/v1/models": "/v1/models",
        "/v1/models/{use_case}": "/v1/models/iris",
        "/v1/models/{use_case}/performance": "/v1/models/iris/performance",
        "/v1/models/{use_case}/params": "/v1/models/iris/params",
        "/v1/models/{use_case}/params/{name}": "/v1/models/iris/params/penalty",
    }

    for path, address in addresses.items():
        response = document["paths"][path]["get"]["responses"]["200"]
        schema = response["content"]["application/json"]["schema"]
        validator(document, schema).validate(client.get(address).json())


def test_no_address_of_this_machine_or_another_is_in_the_document(
    document: dict[str, Any],
) -> None:
    assert "://" not in json.dumps(document)


def test_examples_name_the_fields_in_their_order(
    document: dict[str, Any], use_cases: Sequence[UseCase]
) -> None:
    for use_case in use_cases:
        operation = document["paths"][f"/v1/{use_case.name}/predict"]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        row = content["examples"]["row_1"]["value"]["rows"][0]
        assert list(row) == list(use_case.row.model_fields)
