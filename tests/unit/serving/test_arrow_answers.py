"""Answers in Arrow hold what the JSON ones do."""

import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ekiben.schemas.base import Prediction
from ekiben.serving.arrow_answers import ArrowAnswers
from ekiben.use_cases.answers import Answers
from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.turnover import TURNOVER
from ekiben.use_cases.use_case import UseCase
from tests.servers import PROJECT
from tests.tables import as_json, of_rows


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda one: one.name)
def test_every_field_has_its_column_and_its_bits(use_case: UseCase) -> None:
    (example,) = use_case.prediction.model_json_schema()["examples"]
    answers = [{**example, "prediction_id": f"é{number}"} for number in range(11)]

    body = ArrowAnswers.of(use_case.prediction).encode(answers, "iris:v1")

    assert as_json(body) == answers
    schema = pa.ipc.open_stream(body).schema
    assert schema.metadata == {b"model": b"iris:v1"}
    assert not any(field.nullable for field in schema)
    pa.ipc.open_stream(body).read_all().validate(full=True)


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda one: one.name)
def test_columns_make_the_same_stream_as_the_answers_one_by_one(
    use_case: UseCase,
) -> None:
    assert use_case.answer_columns is not None
    probabilities = np.random.default_rng(1).dirichlet([1.0] * len(use_case.classes), 9)
    decision = {"threshold": 0.5, "training_prior": 0.25, "real_prior": 0.01}
    columns = Answers(use_case.answer_columns(probabilities, decision), 9).stamped(
        prediction_id=[f"é{number}" for number in range(9)], model="a:b"
    )
    form = ArrowAnswers.of(use_case.prediction)

    assert form.encode(columns, "a:b") == form.encode(list(columns), "a:b")


class Odd(Prediction):
    count: int
    neighbours: list[str]


def test_what_has_no_column_of_its_own_is_json() -> None:
    answer: dict[str, Any] = {"prediction_id": "p", "model": "m", "count": 2**53 + 1}
    answer["neighbours"] = ["a", "b"]

    columns = Answers({**answer, "neighbours": {"a": ["b"]}}, 1)

    (read,) = as_json(ArrowAnswers.of(Odd).encode([answer], "m"))
    (inside,) = as_json(ArrowAnswers.of(Odd).encode(columns, "m"))

    assert read == {**answer, "neighbours": '["a","b"]'}
    assert inside == {**answer, "neighbours": '{"a":"b"}'}


def test_a_server_that_speaks_arrow_needs_no_pandas() -> None:
    """Whether or not other modules have imported it."""
    program = """
import sys
from ekiben.schemas.turnover import Employee, TurnoverPrediction
from ekiben.serving.arrow_answers import ArrowAnswers
from ekiben.serving.arrow_rows import ArrowRows
sys.modules["pandas"] = None  # whoever imports it now fails
rows = ArrowRows.of(Employee, unknown=9, most_bytes=9999)
table = rows.read(sys.stdin.buffer.read())
assert len(list(rows.columns(table))) == len(rows.rows(table)) == 3
(answer,) = TurnoverPrediction.model_json_schema()["examples"]
ArrowAnswers.of(TurnoverPrediction).encode([answer], "m")
print("fine")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        input=of_rows(TURNOVER.examples[:1] * 3),
        capture_output=True,
        check=False,
    )

    assert done.stdout == b"fine\n", done.stderr.decode()
