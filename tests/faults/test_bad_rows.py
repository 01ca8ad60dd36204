"""C-07 to C-09: rows of another form or number, and one bad row among good ones."""

from typing import Any

import httpx
import pytest

from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.use_case import UseCase
from tests.faults.asking import (
    assert_problem,
    each_use_case,
    model_calls,
    post,
    rows_body,
)

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("unharmed")]


def test_c07_values_without_their_names_are_refused(client: httpx.Client) -> None:
    transposed = {"sepal_length": [5.1, 4.9], "sepal_width": [3.5, 3.0]}

    for rows in ([[5.1, 3.5, 1.4, 0.2]], [transposed], transposed):
        response = client.post("/v1/iris/predict", json={"rows": rows})
        assert_problem(response, 422, "validation_failed")


@each_use_case
def test_c08_no_rows_are_refused(client: httpx.Client, use_case: UseCase) -> None:
    problem = assert_problem(
        post(client, use_case, rows_body()), 422, "validation_failed"
    )

    assert problem["errors"][0]["loc"] == ["rows"]


def test_c08_a_million_rows_are_refused(client: httpx.Client) -> None:
    body = b'{"rows": [' + b"1," * 999_999 + b"1]}"

    response = post(client, USE_CASES[0], body)

    assert response.status_code in (413, 422)


@each_use_case
@pytest.mark.parametrize("bad", [0, 7, 19])
def test_c09_one_bad_row_refuses_the_request_and_the_model_is_not_called(
    client: httpx.Client, use_case: UseCase, bad: int
) -> None:
    rows: list[Any] = (use_case.examples * 20)[:20]
    rows[bad] = rows[bad] | {"surprise": True}
    before = model_calls(client, use_case)

    problem = assert_problem(
        post(client, use_case, rows_body(*rows)), 422, "validation_failed"
    )

    assert problem["errors"][0]["loc"] == ["rows", bad, "surprise"]
    assert model_calls(client, use_case) == before


def test_many_errors_are_counted_but_not_all_listed(client: httpx.Client) -> None:
    response = client.post("/v1/iris/predict", json={"rows": [{}] * 1000})

    problem = assert_problem(response, 422, "validation_failed")
    assert len(problem["errors"]) == 100
    assert "4000" in problem["detail"]
