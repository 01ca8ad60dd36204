"""C-01 to C-04 and C-08: with a parser that believes its input, each of the attacks succeeds."""

import json

import httpx
import pytest

from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.use_case import UseCase
from tests.faults.asking import post, rows_body
from tests.servers import Server

pytestmark = pytest.mark.server

IRIS, FRAUD = USE_CASES[0], USE_CASES[2]


def answer(server: Server, body: bytes, use_case: UseCase = IRIS) -> httpx.Response:
    with server.client() as client:
        return post(client, use_case, body)


@pytest.mark.parametrize("body", [b"", b"\xff", b'{"rows": ['], ids=repr)
def test_c01_unchecked_a_broken_body_is_the_server_s_fault(
    loose: Server, body: bytes
) -> None:
    assert answer(loose, body).status_code == 500


def test_c02_unchecked_nesting_is_the_server_s_fault(loose: Server) -> None:
    assert answer(loose, b"[" * 100_000).status_code == 500


def test_c03_unchecked_nan_reaches_the_model(loose: Server) -> None:
    body = rows_body(FRAUD.examples[0] | {"v7": float("nan")})

    assert answer(loose, body, FRAUD).status_code in (200, 500)


def test_c04_unchecked_an_unknown_field_is_ignored_and_a_second_one_wins(
    loose: Server,
) -> None:
    row = json.dumps(IRIS.examples[0])
    twice = f'{{"rows": [{row[:-1]}, "petal_length": 6.9}}]}}'.encode()

    assert answer(loose, rows_body(IRIS.examples[0] | {"x": 1})).status_code == 200
    assert answer(loose, twice).status_code == 200


def test_c08_unchecked_any_number_of_rows_reaches_the_model(loose: Server) -> None:
    many = rows_body(*[IRIS.examples[0]] * 1_001)

    assert answer(loose, many).status_code == 200
    assert answer(loose, rows_body()).status_code != 422
