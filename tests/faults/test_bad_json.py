"""C-01 to C-03: bodies that are no JSON, nest absurdly, or hold numbers that are none."""

import json
from collections.abc import Callable

import httpx
import pytest

from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.use_case import UseCase
from tests.faults.asking import assert_problem, each_use_case, post, rows_body

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("unharmed")]


def truncated(body: bytes) -> bytes:
    return body[: len(body) // 2]


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda body: b"",
    "truncated": truncated,
    "last-byte-missing": lambda body: body[:-1],
    "not-json": lambda body: b"rows=1",
    "single-quotes": lambda body: body.replace(b'"', b"'"),
    "trailing-comma": lambda body: body.replace(b"]}", b"],}"),
    "comment": lambda body: b"/* rows */" + body,
    "not-utf-8": lambda body: b'{"rows": [{"text": "\xff\xfe"}]}',
    "utf-16": lambda body: body.decode().encode("utf-16"),
    "byte-order-mark": lambda body: b"\xef\xbb\xbf" + body,
    "two-documents": lambda body: body + body,
    "nul-bytes": lambda body: b"\x00" * 100,
    "unquoted-nan": lambda body: b'{"rows": [nan]}',
}


@each_use_case
@pytest.mark.parametrize("broken", BROKEN)
def test_c01_a_body_that_is_not_json_is_400(
    client: httpx.Client, use_case: UseCase, broken: str
) -> None:
    body = BROKEN[broken](rows_body(*use_case.examples))

    assert_problem(post(client, use_case, body), 400, "invalid_json")


@each_use_case
@pytest.mark.parametrize("levels", [33, 210, 1_000, 100_000])
@pytest.mark.parametrize(
    "opening", [b"[", b'{"rows":', b'{"rows":[{"text":['], ids=["list", "rows", "row"]
)
def test_c02_absurd_nesting_is_400(
    client: httpx.Client, use_case: UseCase, levels: int, opening: bytes
) -> None:
    assert_problem(post(client, use_case, opening * levels), 400, "invalid_json")


@pytest.mark.parametrize("levels", [33, 210, 1_000, 100_000])
def test_c02_absurd_nesting_that_is_closed_is_400_too(
    client: httpx.Client, levels: int
) -> None:
    body = b'{"rows":' + b"[" * levels + b"]" * levels + b"}"

    assert_problem(post(client, USE_CASES[0], body), 400, "invalid_json")


NUMBERS_OF = {"iris": "petal_length", "turnover": "satisfaction_level", "fraud": "v7"}


@pytest.mark.parametrize("name", NUMBERS_OF)
@pytest.mark.parametrize(
    ("number", "codes"),
    [
        pytest.param("NaN", {400, 422}, id="nan"),
        pytest.param("Infinity", {400, 422}, id="infinity"),
        pytest.param("-Infinity", {400, 422}, id="minus-infinity"),
        pytest.param("1e999", {422}, id="overflow"),
        pytest.param("-1e999", {422}, id="minus-overflow"),
        pytest.param("9" * 400, {422}, id="400-digits"),
    ],
)
def test_c03_a_number_that_is_not_finite_is_refused(
    client: httpx.Client, name: str, number: str, codes: set[int]
) -> None:
    use_case = next(one for one in USE_CASES if one.name == name)
    row = json.dumps(use_case.examples[0] | {NUMBERS_OF[name]: "HERE"})
    body = b'{"rows": [' + row.replace('"HERE"', number).encode() + b"]}"

    response = post(client, use_case, body)

    assert response.status_code in codes, response.text


@pytest.mark.parametrize("number", ["-0.0", "5e-324", "1e-310", "1e300", "-1e308"])
def test_c03_zero_of_either_sign_subnormal_and_huge_numbers_are_answered(
    client: httpx.Client, number: str
) -> None:
    fraud = next(one for one in USE_CASES if one.name == "fraud")
    row = json.dumps(fraud.examples[0] | {"v7": "HERE"}).replace('"HERE"', number)

    response = post(client, fraud, b'{"rows": [' + row.encode() + b"]}")

    assert response.status_code == 200, response.text
    assert 0 <= response.json()[0]["probability"] <= 1
