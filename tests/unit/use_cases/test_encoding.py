"""Rows and tables are encoded to the same bits."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ekiben.schemas.base import Row
from ekiben.schemas.turnover import Employee
from ekiben.use_cases.encoding import FLOAT32_MAX, NumericColumns, TextColumn
from ekiben.use_cases.fraud import FRAUD
from ekiben.use_cases.iris import IRIS
from ekiben.use_cases.turnover import TURNOVER
from ekiben.use_cases.use_case import UseCase


class Tea(Row):
    """A row with one category."""

    grams: float
    minutes: int
    kind: str


class Text(Row):
    """A row of one text."""

    text: str


TEA = NumericColumns.of(Tea, categories={"kind": ("green", "black")})


def columns_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame.from_records(rows)


def rows_for(use_case: UseCase) -> st.SearchStrategy[list[BaseModel]]:
    finite = {
        name: st.floats(allow_nan=False, allow_infinity=False).map(
            abs if name in ("time", "amount") else float
        )
        for name in (FRAUD.row.model_fields if use_case is FRAUD else ())
    }
    return st.lists(st.builds(use_case.row, **finite), min_size=1, max_size=8)


@given(data=st.data())
@pytest.mark.parametrize("use_case", [IRIS, TURNOVER, FRAUD], ids=lambda one: one.name)
def test_a_row_has_the_same_bits_alone_in_a_batch_and_in_a_table(
    use_case: UseCase, data: st.DataObject
) -> None:
    rows = data.draw(rows_for(use_case))
    encode = use_case.encoding.from_rows
    table = columns_of([row.model_dump() for row in rows])

    batch = encode(rows)

    assert batch.dtype == np.float64
    assert batch.flags.c_contiguous
    assert batch.tobytes() == np.concatenate([encode([row]) for row in rows]).tobytes()
    assert batch.tobytes() == use_case.encoding.from_table(table).tobytes()


@given(rows=rows_for(TURNOVER))
def test_a_table_comes_back_as_the_rows_that_made_it(rows: list[Employee]) -> None:
    sent = [row.model_dump() for row in rows]

    returned = TURNOVER.encoding.rows_of(columns_of(sent))

    assert returned == sent
    assert [Employee.model_validate(row) for row in returned] == rows


def test_a_category_is_its_place_in_its_declared_order() -> None:
    rows = [Tea(grams=2.5, minutes=3, kind=kind) for kind in ("black", "green")]

    encoded = TEA.from_rows(rows)

    assert encoded.tolist() == [[2.5, 3.0, 1.0], [2.5, 3.0, 0.0]]
    assert TEA.category_columns == [2]


def test_booleans_are_zero_and_one() -> None:
    [example, _] = TURNOVER.examples
    row = Employee.model_validate(example | {"work_accident": True})

    encoded = TURNOVER.encoding.from_rows([row])

    assert encoded.tolist() == [[0.38, 0.53, 2, 157, 3, 1, 0, 7, 0]]


@pytest.mark.parametrize("number", [1e300, -1e300, FLOAT32_MAX, 1e-300])
def test_numbers_beyond_single_precision_become_its_ends(number: float) -> None:
    [example, _] = FRAUD.examples
    row = FRAUD.row.model_validate(example | {"v1": number})

    encoded = FRAUD.encoding.from_rows([row])

    assert np.isfinite(encoded.astype(np.float32)).all()
    assert encoded[0, 1] == np.clip(number, -FLOAT32_MAX, FLOAT32_MAX)


def test_categories_that_do_not_come_last_are_refused() -> None:
    with pytest.raises(ValueError, match=r"come last.*'b', 'a'"):
        NumericColumns(("a", "b"), {"a": ("x", "y")})


def test_texts_are_taken_as_they_are() -> None:
    table = columns_of([{"text": "  É "}, {"text": "b"}])
    rows = [Text(text="  É "), Text(text="b")]

    assert TextColumn().from_table(table) == ["  É ", "b"]
    assert TextColumn().from_rows(rows) == ["  É ", "b"]
    assert TextColumn().rows_of(table) == [{"text": "  É "}, {"text": "b"}]
