import json
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from ekiben.errors import (
    ArtefactRefused,
    DeadlineExceeded,
    Forbidden,
    NotReady,
    Overloaded,
    RateLimited,
    Unauthenticated,
    UnknownUseCase,
)
from ekiben.schemas.base import Row, Rows
from ekiben.schemas.fraud import Transaction
from ekiben.schemas.iris import IrisFlower
from ekiben.schemas.problem import FieldError, Problem
from ekiben.schemas.spam import Message
from ekiben.schemas.turnover import Employee
from ekiben.serving.problems import (
    MAX_COLLECTED,
    MAX_LISTED,
    REFUSALS,
    problem_body,
    problem_of,
    problem_response,
    request_id_of,
    validation_problem,
)

SECRET = "s3cret-7141"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class IrisRows(Strict):
    rows: Rows[IrisFlower]


class EmployeeRows(Strict):
    rows: Rows[Employee]


class MessageRows(Strict):
    rows: Rows[Message]


class TransactionRows(Strict):
    rows: Rows[Transaction]


def refused(model: type[BaseModel], body: bytes | str) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(body)
    return caught.value


def example(row: type[Row], **changes: Any) -> dict[str, Any]:
    return {**row.model_json_schema()["examples"][0], **changes}


def rows(*given: Any) -> str:
    return json.dumps({"rows": given})


@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal_has_a_complete_body(code: str) -> None:
    body = json.loads(problem_body(code, "Why.", "req-1"))

    refusal = REFUSALS[code]
    assert body == {
        "type": f"urn:ekiben:problem:{code}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": "Why.",
        "code": code,
        "request_id": "req-1",
    }
    assert Problem.model_validate(body)


def test_errors_are_listed_in_the_body() -> None:
    error = FieldError(
        loc=["rows", 0, "text"], code="missing", message="Field required"
    )

    body = json.loads(problem_body("validation_failed", "Why.", "", [error]))

    assert body["errors"] == [
        {"loc": ["rows", 0, "text"], "code": "missing", "message": "Field required"}
    ]


@pytest.mark.parametrize(
    ("exception", "code", "headers"),
    [
        pytest.param(
            NotReady("iris", f"/srv/{SECRET}"),
            "not_ready",
            {"Retry-After": "5"},
            id="not-ready",
        ),
        pytest.param(
            Overloaded(1.2), "overloaded", {"Retry-After": "2"}, id="overloaded"
        ),
        pytest.param(
            Overloaded(0.0), "overloaded", {"Retry-After": "1"}, id="at-least-1"
        ),
        pytest.param(
            Overloaded(float("inf")), "overloaded", {"Retry-After": "1"}, id="infinite"
        ),
        pytest.param(
            Unauthenticated(),
            "unauthenticated",
            {"WWW-Authenticate": "Bearer"},
            id="unauthenticated",
        ),
        pytest.param(Forbidden(), "forbidden", {}, id="forbidden"),
        pytest.param(RateLimited(0.2), "rate_limited", {"Retry-After": "1"}, id="rate"),
        pytest.param(DeadlineExceeded(), "deadline_exceeded", {}, id="deadline"),
        pytest.param(UnknownUseCase(SECRET, ["iris"]), "not_found", {}, id="unknown"),
        pytest.param(ArtefactRefused("iris:1", SECRET), "internal", {}, id="other"),
        pytest.param(RuntimeError(SECRET), "internal", {}, id="foreign"),
    ],
)
def test_an_exception_becomes_a_refusal_in_fixed_words(
    exception: Exception, code: str, headers: dict[str, str]
) -> None:
    assert problem_of(exception) == (code, REFUSALS[code].detail, headers)
    assert SECRET not in REFUSALS[code].detail


@pytest.mark.parametrize(
    ("model", "body", "loc", "code"),
    [
        pytest.param(IrisRows, "{}", ["rows"], "missing", id="no-rows"),
        pytest.param(IrisRows, f'"{SECRET}"', [], "model_type", id="no-object"),
        pytest.param(
            IrisRows, json.dumps({"rows": SECRET}), ["rows"], "list_type", id="no-array"
        ),
        pytest.param(IrisRows, rows(), ["rows"], "too_short", id="empty"),
        pytest.param(
            IrisRows, rows(*[{}] * 0, SECRET), ["rows", 0], "model_type", id="no-row"
        ),
        pytest.param(
            IrisRows,
            rows(example(IrisFlower, sepal_width=SECRET)),
            ["rows", 0, "sepal_width"],
            "float_type",
            id="text-for-number",
        ),
        pytest.param(
            IrisRows,
            rows(example(IrisFlower), example(IrisFlower, sepal_width=True)),
            ["rows", 1, "sepal_width"],
            "float_type",
            id="boolean-for-number",
        ),
        pytest.param(
            IrisRows,
            rows(example(IrisFlower, sepal_width=7141)),
            ["rows", 0, "sepal_width"],
            "less_than_equal",
            id="too-large",
        ),
        pytest.param(
            IrisRows,
            rows(example(IrisFlower, sepal_width=-7141)),
            ["rows", 0, "sepal_width"],
            "greater_than",
            id="too-small",
        ),
        pytest.param(
            IrisRows,
            rows(example(IrisFlower, sepal_width=float("nan"))),
            ["rows", 0, "sepal_width"],
            "finite_number",
            id="nan",
        ),
        pytest.param(
            IrisRows,
            rows(example(IrisFlower)).replace("3.5", "1e999"),
            ["rows", 0, "sepal_width"],
            "finite_number",
            id="larger-than-a-double",
        ),
        pytest.param(
            IrisRows,
            rows(example(IrisFlower, colour=SECRET)),
            ["rows", 0, "colour"],
            "extra_forbidden",
            id="unknown-field",
        ),
        pytest.param(
            EmployeeRows,
            rows(example(Employee, number_project=2.7141)),
            ["rows", 0, "number_project"],
            "int_type",
            id="fraction-for-integer",
        ),
        pytest.param(
            EmployeeRows,
            rows(example(Employee, number_project=SECRET)),
            ["rows", 0, "number_project"],
            "int_type",
            id="text-for-integer",
        ),
        pytest.param(
            EmployeeRows,
            rows(example(Employee, number_project=10**300 + 7141)),
            ["rows", 0, "number_project"],
            "less_than_equal",
            id="huge-integer",
        ),
        pytest.param(
            EmployeeRows,
            rows(example(Employee, work_accident=SECRET)),
            ["rows", 0, "work_accident"],
            "bool_type",
            id="text-for-boolean",
        ),
        pytest.param(
            EmployeeRows,
            rows(example(Employee, salary=SECRET)),
            ["rows", 0, "salary"],
            "literal_error",
            id="unknown-choice",
        ),
        pytest.param(
            TransactionRows,
            rows(example(Transaction, time=-7141)),
            ["rows", 0, "time"],
            "greater_than_equal",
            id="negative-time",
        ),
        pytest.param(
            MessageRows,
            rows({"text": 7141}),
            ["rows", 0, "text"],
            "string_type",
            id="number-for-text",
        ),
        pytest.param(
            MessageRows,
            rows({"text": ""}),
            ["rows", 0, "text"],
            "string_too_short",
            id="no-text",
        ),
        pytest.param(
            MessageRows,
            rows({"text": SECRET * 1000}),
            ["rows", 0, "text"],
            "string_too_long",
            id="long-text",
        ),
        pytest.param(
            MessageRows,
            rows({"text": f"{SECRET}\0"}),
            ["rows", 0, "text"],
            "string_pattern_mismatch",
            id="nul",
        ),
        pytest.param(
            MessageRows,
            rows(*[{"text": SECRET}] * 1001),
            ["rows"],
            "too_long",
            id="1001-rows",
        ),
    ],
)
def test_a_refused_row_is_named_and_its_value_is_not(
    model: type[BaseModel], body: str, loc: list[str | int], code: str
) -> None:
    kind, detail, errors = validation_problem(refused(model, body))

    assert kind == "validation_failed"
    assert errors is not None
    assert [(error.loc, error.code) for error in errors] == [(loc, code)]
    assert detail == "The request has 1 error."
    assert "7141" not in problem_body(kind, detail, "", errors).decode()
    assert errors[0].message != "Input is not valid"


def test_a_message_that_would_repeat_the_input_is_replaced() -> None:
    class Own(BaseModel):
        uuid: UUID
        kind: Literal["a"]
        checked: str

        @field_validator("checked")
        @classmethod
        def _check(cls, value: str) -> str:
            raise ValueError(f"{value} is refused")

    body = json.dumps({"uuid": SECRET, "kind": SECRET, "checked": SECRET})

    _, _, errors = validation_problem(refused(Own, body))

    assert errors is not None
    assert [(error.code, error.message) for error in errors] == [
        ("uuid_parsing", "Input is not valid"),
        ("literal_error", "Input should be 'a'"),
        ("value_error", "Input is not valid"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"rows": [s3cret', id="cut-off"),
        pytest.param(b'\xff{"rows": []}', id="not-utf-8"),
        pytest.param(b'{"rows": [{"text": "\\ud800"}]}', id="lone-surrogate"),
        pytest.param(b"[" * 100_000, id="100000-levels"),
        pytest.param(b'{"rows": []} {}', id="two-documents"),
    ],
)
def test_what_is_no_json_is_invalid_json_in_fixed_words(body: bytes) -> None:
    problem = validation_problem(refused(MessageRows, body))

    assert problem == ("invalid_json", "The body is not valid JSON.", None)


def test_at_most_100_errors_are_listed_and_all_are_counted() -> None:
    error = refused(TransactionRows, rows(*[{}] * 10))

    _, detail, errors = validation_problem(error)

    assert detail == "The request has 300 errors; the first 100 are listed."
    assert errors is not None
    assert len(errors) == MAX_LISTED


def test_more_errors_than_any_client_makes_are_counted_only() -> None:
    row = {f"x{number}": 0 for number in range(MAX_COLLECTED)}
    error = refused(MessageRows, rows(row))

    assert validation_problem(error) == (
        "validation_failed",
        f"The request has {MAX_COLLECTED + 1} errors.",
        None,
    )


def test_a_long_field_name_is_cut() -> None:
    error = refused(MessageRows, rows({"text": "a", "x" * 10_000: 1}))

    _, _, errors = validation_problem(error)

    assert errors is not None
    assert errors[0].loc == ["rows", 0, "x" * 64]


def test_a_response_carries_status_headers_and_the_request_id() -> None:
    scope = {"type": "http", "state": {"request_id": "req-1"}}

    response = problem_response(scope, "overloaded", headers={"Retry-After": "2"})

    assert response.status_code == 503
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Retry-After"] == "2"
    assert json.loads(bytes(response.body))["request_id"] == "req-1"


def test_a_request_without_an_id_has_an_empty_one() -> None:
    assert request_id_of({"type": "http"}) == ""
