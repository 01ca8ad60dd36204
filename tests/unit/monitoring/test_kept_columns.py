"""What a record keeps of columns, and that the rows come back to the bit."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekiben.monitoring.kept_columns import MANY_NUMBERS, kept, listed
from ekiben.use_cases.columns import Column

WIDE = [f"n{number}" for number in range(MANY_NUMBERS)]
real = st.floats(allow_nan=False, allow_infinity=False)


def wide(*values: float) -> dict[str, Column]:
    return {name: np.array(values) for name in WIDE}


def test_a_wide_table_of_real_numbers_lies_in_bytes_and_the_rest_in_json() -> None:
    columns = {"first": ["a", "b"], **wide(0.5, -2.0), "last": np.array([1, 2])}

    text, numbers = kept(columns)

    assert json.loads(text) == {
        "first": ["a", "b"],
        **dict.fromkeys(WIDE),
        "last": [1, 2],
    }
    assert numbers == struct.pack("<2d", 0.5, -2.0) * MANY_NUMBERS
    assert [list(row) for row in listed(text, numbers, 2)] == [[*columns]] * 2


def test_a_table_of_a_column_fewer_is_json_alone() -> None:
    columns = wide(0.5, -2.0)
    del columns["n0"]
    # Whole numbers and truth values are short, and count for nothing.
    columns |= {"whole": np.array([1, 2]), "truth": np.array([True, False])}

    text, numbers = kept(columns)

    assert numbers is None
    assert json.loads(text)["n1"] == [0.5, -2.0]


@given(rows=st.lists(st.tuples(real, real), min_size=1, max_size=8))
def test_numbers_come_back_to_the_bit(rows: list[tuple[float, float]]) -> None:
    columns = {
        name: np.array([row[number % 2] for row in rows])
        for number, name in enumerate(WIDE)
    }
    found = listed(*kept(columns), len(rows))

    for number, row in enumerate(found):
        for name, value in row.items():
            assert type(value) is float
            assert struct.pack("d", value) == struct.pack("d", columns[name][number])


@pytest.mark.parametrize("turn", [np.float32, np.dtype(">f8")], ids=str)
def test_numbers_of_another_form_in_memory_are_the_same(
    turn: np.dtype[np.float64],
) -> None:
    columns = {name: one.astype(turn) for name, one in wide(0.1, 1e30).items()}  # type: ignore[union-attr]
    exact = {name: [float(one) for one in values] for name, values in columns.items()}

    found = listed(*kept(columns), 2)

    assert found == [{name: exact[name][place] for name in WIDE} for place in range(2)]


def test_every_second_number_of_a_column_is_kept_as_it_is() -> None:
    columns: dict[str, Column] = {name: np.arange(6.0)[::2] for name in WIDE}
    assert listed(*kept(columns), 3)[2] == dict.fromkeys(WIDE, 4.0)


def test_a_list_of_rows_is_one() -> None:
    assert listed('[{"n":1}]', None, 1) == [{"n": 1}]
