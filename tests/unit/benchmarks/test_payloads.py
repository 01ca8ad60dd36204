"""Bodies carry valid rows, and every row equally often."""

import json
import random

import pandas as pd
import pytest

from benchmarks.payloads import bodies, spread, varied
from ekiben.schemas.base import Row
from ekiben.schemas.fraud import Transaction
from ekiben.schemas.iris import IrisFlower
from ekiben.schemas.spam import Message
from ekiben.schemas.topics import Project
from ekiben.schemas.turnover import Employee

ROWS = [IrisFlower, Employee, Transaction, Message, Project]


def test_bodies_send_every_row_equally_often() -> None:
    rows = [{"n": 0}, {"n": 1}, {"n": 2}]

    sent = [json.loads(body)["rows"] for body in bodies(rows, 2)]

    assert sent == [
        [{"n": 0}, {"n": 1}],
        [{"n": 1}, {"n": 2}],
        [{"n": 2}, {"n": 0}],
    ]


def test_more_rows_a_request_than_there_are_go_round() -> None:
    (body,) = bodies([{"n": 0}], 3)

    assert json.loads(body) == {"rows": [{"n": 0}] * 3}


def test_a_body_is_one_line() -> None:
    (body,) = bodies([{"text": "first\nsecond\u2028third"}], 1)

    assert len(body.splitlines()) == 1


@pytest.mark.parametrize(
    ("length", "count", "expected"),
    [
        pytest.param(10, 5, [0, 2, 4, 6, 8], id="even-distances"),
        pytest.param(11, 5, [0, 2, 4, 6, 8], id="no-even-division"),
        pytest.param(3, 5, [0, 1, 2], id="shorter-than-asked"),
    ],
)
def test_rows_are_spread_over_the_table(
    length: int, count: int, expected: list[int]
) -> None:
    frame = pd.DataFrame({"n": range(length)})

    assert spread(frame, count)["n"].tolist() == expected


@pytest.mark.parametrize("row", ROWS)
def test_varied_rows_are_valid_and_differ(row: type[Row]) -> None:
    examples = row.model_json_schema()["examples"]

    rows = varied(examples, 50, random.Random(1))

    assert len({row.model_validate(one).model_dump_json() for one in rows}) > 40
