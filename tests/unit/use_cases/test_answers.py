"""Predictions as columns are the predictions that they stand for, to the last byte of JSON."""

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import orjson
import pytest
from hypothesis import given

from ekiben.errors import BatchShapeMismatch
from ekiben.monitoring.kept_columns import listed
from ekiben.predictor import Predictor
from ekiben.use_cases.answers import Answers, joined
from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.columns import Columns
from ekiben.use_cases.json_text import as_text, written
from ekiben.use_cases.use_case import Fields, Floats, UseCase

DECISION = {"threshold": 0.5, "training_prior": 0.25, "real_prior": 0.01}
each_use_case = pytest.mark.parametrize("use_case", USE_CASES, ids=lambda one: one.name)


def scored(use_case: UseCase, rows: int) -> Floats:
    """Return probabilities, some of them certain."""
    classes = len(use_case.classes)
    drawn = np.random.default_rng(1).dirichlet(np.ones(classes), rows)
    drawn[: min(rows, classes)] = np.eye(classes)[: min(rows, classes)]
    return drawn


def both(use_case: UseCase, rows: int = 9) -> tuple[Answers, list[Fields]]:
    """Return the answers as columns, and one by one."""
    assert use_case.answer_columns is not None
    probabilities = scored(use_case, rows)
    columns = use_case.answer_columns(probabilities, DECISION)
    return Answers(columns, rows), use_case.answer(probabilities, DECISION)


@each_use_case
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_columns_say_what_the_answers_say(use_case: UseCase, rows: int) -> None:
    columns, answers = both(use_case, rows)

    assert list(columns) == answers
    assert [list(one) for one in columns] == [list(one) for one in answers]
    assert orjson.dumps(list(columns)) == orjson.dumps(answers)


@each_use_case
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_they_are_written_as_orjson_writes_them(use_case: UseCase, rows: int) -> None:
    columns, answers = both(use_case, rows)
    ids = [f"id-{number}" for number in range(rows)]
    stamped = [
        {**one, "prediction_id": name, "model": "a:b"}
        for one, name in zip(answers, ids, strict=True)
    ]

    found = columns.stamped(prediction_id=ids, model="a:b")

    assert found.written() == orjson.dumps(stamped)
    assert list(columns) == answers


@each_use_case
def test_a_record_of_columns_is_read_as_the_list(use_case: UseCase) -> None:
    columns, answers = both(use_case)

    found = listed(as_text(columns.columns).decode(), None, len(columns))

    assert found == listed(orjson.dumps(answers).decode(), None, len(answers))
    assert orjson.dumps(found) == orjson.dumps(answers)


@each_use_case
def test_parts_and_what_is_put_together_of_them_are_the_same(use_case: UseCase) -> None:
    columns, answers = both(use_case)

    assert [columns[place] for place in range(-9, 9)] == answers * 2
    assert list(columns[2:5]) == answers[2:5]
    assert columns[2:5].written() == orjson.dumps(answers[2:5])
    whole = joined(joined(joined(None, columns[:2]), columns[2:8]), columns[8:])
    assert isinstance(whole, Answers)
    assert whole.written() == orjson.dumps(answers)
    assert joined(columns[:2], answers[2:]) == answers
    assert joined(answers[:2], columns[2:]) == answers


def test_a_place_that_is_none_is_refused() -> None:
    columns, _ = both(USE_CASES[0])
    with pytest.raises(IndexError):
        columns[9]


def test_what_two_parts_do_not_share_is_kept_of_each() -> None:
    parts = Answers({"a": [1, 2], "b": 0.5}, 2), Answers({"a": [3], "b": 0.25}, 1)
    assert list(joined(*parts)) == [
        {"a": 1, "b": 0.5},
        {"a": 2, "b": 0.5},
        {"a": 3, "b": 0.25},
    ]


@each_use_case
def test_a_predictor_answers_columns_with_columns(use_case: UseCase) -> None:
    examples = (use_case.examples * 9)[:9]
    rows = [use_case.row.model_validate(one) for one in examples]
    names = list(use_case.row.model_fields)
    values: dict[str, Any] = {
        name: [getattr(one, name) for one in rows] for name in names
    }
    probabilities = scored(use_case, 9)
    predictor = Predictor(use_case, lambda _: probabilities, DECISION, "a:b")

    found = predictor.answers(Columns(use_case.row, values))

    assert isinstance(found, Answers)
    assert list(found) == predictor.predict(rows)
    assert predictor.answers(rows) == predictor.predict(rows)


@pytest.mark.parametrize(
    "columns", [{"a": [1]}, {"a": {"b": np.zeros(3)}}, {"a": np.zeros(0), "b": 1}]
)
def test_columns_of_another_length_are_no_answer(columns: Any) -> None:
    row = USE_CASES[0].row
    use_case = replace(USE_CASES[0], answer_columns=lambda *_: columns)
    rows = Columns(row, {name: np.ones(2) for name in row.model_fields})
    probabilities = scored(use_case, 2)
    with pytest.raises(BatchShapeMismatch, match="asked 2 rows"):
        Predictor(use_case, lambda _: probabilities, DECISION, "a:b").answers(rows)


texts = st.lists(
    st.text() | st.sampled_from(['","', '"', "\\", '\\"', '\\","', "},{", "\n\0"]),
    min_size=3,
    max_size=3,
)
numbers = st.lists(
    st.floats() | st.sampled_from([-0.0, 1e-7, 1e22]), min_size=3, max_size=3
)


@given(texts, numbers, st.text())
def test_any_text_and_number_is_written_as_orjson_writes_it(
    words: list[str], reals: list[float], name: str
) -> None:
    columns: dict[str, Any] = {
        "shared": words[0],
        name: words,
        "inside": {"real": np.array(reals), "deeper": {"text": words, "one": 1.5}},
        "whole": np.arange(3),
        "truth": np.array([True, False, True]),
        "anything": [words[0], reals[1], {"a": [None]}],
        "last": reals[0],
    }
    rows = list(Answers(columns, 3))

    assert written(columns, 3) == orjson.dumps(rows)
    assert list(Answers(orjson.loads(as_text(columns)), 3)) == orjson.loads(
        orjson.dumps(rows)
    )


def test_there_may_be_no_row_and_nothing_that_varies() -> None:
    assert written({"a": [], "b": 1}, 0) == b"[]"
    assert written({"b": 1}, 2) == b'[{"b":1},{"b":1}]'


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int32, np.bool_])
def test_every_array_is_written_as_its_list(kind: Any) -> None:
    column = (np.arange(6).reshape(3, 2) / 3).astype(kind)[:, 1]
    listed = orjson.dumps(column.tolist())

    assert as_text({"a": column}) == b'{"a":%b}' % listed
    assert written({"a": column}, 3) == orjson.dumps(
        [{"a": one} for one in column.tolist()]
    )
