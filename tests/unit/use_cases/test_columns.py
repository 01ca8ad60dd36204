"""Columns are the rows that they stand for."""

import numpy as np
import pytest

from ekiben.schemas.base import Row
from ekiben.use_cases.columns import Columns, together
from ekiben.use_cases.encoding import NumericColumns, TextColumn


class Tea(Row):
    grams: float
    minutes: int
    hot: bool
    kind: str


TEAS = [
    Tea(grams=float(number), minutes=number, hot=number % 2 == 0, kind="black")
    for number in range(5)
]


def columns(rows: list[Tea]) -> Columns:
    return Columns(
        Tea,
        {
            "grams": np.array([one.grams for one in rows]),
            "minutes": np.array([one.minutes for one in rows]),
            "hot": np.array([one.hot for one in rows]),
            "kind": [one.kind for one in rows],
        },
    )


def test_a_row_equals_the_one_that_pydantic_makes_and_has_the_same_types() -> None:
    made = list(columns(TEAS))

    assert made == TEAS
    assert [one.__dict__ for one in made] == [one.__dict__ for one in TEAS]
    assert [type(one) for one in made[0].__dict__.values()] == [float, int, bool, str]
    assert made[0].model_dump_json() == TEAS[0].model_dump_json()
    assert made[0].model_fields_set == TEAS[0].model_fields_set


@pytest.mark.parametrize("place", [0, 3, -1])
def test_a_place_has_the_row_of_a_list(place: int) -> None:
    assert columns(TEAS)[place] == TEAS[place]


@pytest.mark.parametrize("place", [5, -6])
def test_there_is_no_row_past_the_end(place: int) -> None:
    with pytest.raises(IndexError):
        columns(TEAS)[place]


@pytest.mark.parametrize("part", [slice(0, 2), slice(2, 5), slice(1, 1), slice(None)])
def test_a_slice_has_the_rows_of_a_list(part: slice) -> None:
    found = columns(TEAS)[part]

    assert isinstance(found, Columns)
    assert len(found) == len(TEAS[part])
    assert list(found) == TEAS[part]


def test_columns_of_several_requests_stay_columns() -> None:
    found = together([columns(TEAS), columns(TEAS[:2]), columns(TEAS[3:])])

    assert isinstance(found, Columns)
    assert list(found) == [*TEAS, *TEAS[:2], *TEAS[3:]]


@pytest.mark.parametrize("columns_first", [True, False])
def test_beside_rows_they_become_rows(columns_first: bool) -> None:
    parts = [columns(TEAS), TEAS[:2]]

    found = together(parts if columns_first else parts[::-1])

    assert isinstance(found, list)
    assert found == ([*TEAS, *TEAS[:2]] if columns_first else [*TEAS[:2], *TEAS])


def test_they_are_encoded_to_the_same_bits() -> None:
    encoding = NumericColumns.of(
        Tea, categories={"kind": ("green", "black")}, within_float32=True
    )
    rows = [*TEAS, TEAS[0].model_copy(update={"grams": 1e300})]

    expected = encoding.from_rows(rows)

    assert encoding.from_rows(columns(rows)).tobytes() == expected.tobytes()
    assert TextColumn("kind").from_rows(columns(rows)) == ["black"] * 6
