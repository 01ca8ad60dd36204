"""Many rows in JSON become the columns of the rows that the validator makes, or it decides."""

import json
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import orjson
import pytest
from hypothesis import given
from pydantic import Field, ValidationError, create_model

from ekiben.schemas.base import MAX_ROWS, PredictRequest, Row
from ekiben.serving.json_columns import JsonColumns
from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.columns import Columns
from tests.unit.serving.test_arrow_rows import TEA, TEAS, Tea


def read(content: object, row: type[Row] = Tea) -> Columns | None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return JsonColumns.of(row).read(body)


def validated(body: bytes, row: type[Row] = Tea) -> list[Row] | None:
    """Return the rows of *body* by the validator of rows, None: it refuses them."""
    try:
        rows: list[Row] = PredictRequest[row].model_validate_json(body).rows  # type: ignore[valid-type]
    except ValidationError:
        return None
    return rows


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda one: one.name)
def test_columns_are_the_rows_of_every_use_case(use_case: Any) -> None:
    body = json.dumps({"rows": use_case.examples * 20}).encode()
    rows = PredictRequest[use_case.row].model_validate_json(body).rows

    columns = read(body, use_case.row)

    assert columns is not None
    assert list(columns) == rows
    assert columns.fields() == [row.__dict__ for row in rows]


def test_whole_numbers_of_a_real_field_are_real() -> None:
    columns = read({"rows": [{**TEA, "grams": 3}, TEA]})
    assert columns is not None
    assert [repr(row["grams"]) for row in columns.fields()] == ["3.0", "2.5"]


def test_each_row_may_name_its_fields_in_another_order() -> None:
    turned = {name: TEA[name] for name in reversed(TEA)}
    content = {"rows": [TEA, turned, TEA]}
    columns = read(content)
    assert columns is not None
    assert list(columns) == validated(json.dumps(content).encode())


PLAIN = [{**one, "note": "mint"} for one in TEAS]


@pytest.mark.parametrize(
    "body",
    [
        orjson.dumps({"rows": PLAIN}),
        json.dumps({"rows": PLAIN}).encode(),
        json.dumps({"rows": PLAIN}, indent=1).encode(),
        orjson.dumps({"rows": PLAIN}) + b"\n",
        b" " + orjson.dumps({"rows": PLAIN}),
        orjson.dumps({"rows": PLAIN}).replace(b",", b",\t", 1),
        orjson.dumps({"rows": PLAIN}).replace(b",", b",\r", 1),
        orjson.dumps({"rows": PLAIN}).replace(b'"rows"', b'"ro\\u0077s"'),
    ],
    ids=str,
)
def test_rows_may_be_spelt_in_any_way(body: bytes) -> None:
    columns = read(body)
    assert columns is not None
    assert columns.fields() == PLAIN


WRONG: dict[str, list[Any]] = {
    "grams": [0, 30.1, True, "2.5", None, [2.5], 10**400, 1e999],
    "minutes": [0, 60, 3.0, True, "3", 2**63, 10**30],
    "hot": [1, 0, "true", None],
    "kind": ["white", "", 1, None],
    "note": ["x" * 21, 1, None, ["x"]],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, one) for name in WRONG for one in WRONG[name]], ids=repr
)
def test_one_wrong_value_is_left_to_the_validator(name: str, value: object) -> None:
    content = {"rows": [*TEAS, {**TEA, name: value}]}
    assert read(content) is None
    assert validated(json.dumps(content).encode()) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"rows": [',
        b'{"rows": NaN}',
        b'{"rows": [\xff]}',
        {},
        {"rows": []},
        {"rows": {}},
        {"rows": [TEA, []]},
        {"rows": [TEA, None]},
        {"rows": [TEA], "more": 1},
        {"rows": [{**TEA, "more": 1}]},
        {"rows": [{k: v for k, v in TEA.items() if k != "hot"}]},
        {"rows": [{**{k: v for k, v in TEA.items() if k != "hot"}, "cold": True}]},
        {"rows": [TEA, {**{k: v for k, v in TEA.items() if k != "hot"}, "cold": True}]},
        {"rows": [TEA, {**TEA, "more": 1}]},
        {"rows": [TEA] * (MAX_ROWS + 1)},
    ],
    ids=str,
)
def test_what_is_no_list_of_whole_rows_is_left_to_the_validator(content: Any) -> None:
    assert read(content) is None


class Optional(Tea):
    sugar: int = 0


def test_rows_that_are_not_checked_by_field_are_left_to_the_validator() -> None:
    body = json.dumps({"rows": [{**TEA, "sugar": 1}]}).encode()
    assert read(body, Optional) is None


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(["green", "black", "thé", "\ud800", "\0", ""]),
)
teas = st.fixed_dictionaries(
    {
        "grams": st.one_of(
            st.floats(0.01, 30), st.integers(1, 30), st.floats(), values
        ),
        "minutes": st.one_of(st.integers(1, 59), values),
        "hot": st.one_of(st.booleans(), values),
        "kind": st.one_of(st.sampled_from(["green", "black"]), values),
        "note": st.one_of(st.text(max_size=21), values),
    }
)


@given(rows=st.lists(teas, min_size=1, max_size=3))
def test_columns_say_yes_only_where_the_validator_does(rows: list[Any]) -> None:
    body = json.dumps({"rows": rows}).encode()
    columns = read(body)
    if columns is not None:
        assert list(columns) == validated(body)


class Mass(Row):
    grams: float = Field(gt=0)


@given(st.floats(min_value=5e-324, allow_infinity=False))
def test_a_number_is_read_to_the_last_bit_as_the_validator_reads_it(
    grams: float,
) -> None:
    for text in (repr(grams), f"{grams:.25e}"):
        body = f'{{"rows": [{{"grams": {text}}}]}}'.encode()
        columns = read(body, Mass)
        assert columns is not None
        assert list(columns) == PredictRequest[Mass].model_validate_json(body).rows


class Pot(Row):
    cups: int
    water: float


def test_a_whole_number_has_no_dot() -> None:
    assert read(b'{"rows":[{"cups":3.0,"water":1.5}]}', Pot) is None
    assert read(b'{"rows":[{"cups":3,"water":1.5}]}', Pot) is not None


class Cup(Row):
    water: float = Field(ge=0, le=300)
    milk: float
    sugar: float = Field(gt=0)


CUP = {"water": 200.5, "milk": 0.25, "sugar": 1.5}
SPELT = b'{"water":200.5,"milk":0.25,"sugar":1.5}'


def cups(*rows: bytes) -> bytes:
    return b'{"rows":[%b]}' % b",".join(rows)


def test_many_rows_of_numbers_are_columns() -> None:
    rows = [{**CUP, "milk": number / 7} for number in range(MAX_ROWS)]
    body = orjson.dumps({"rows": rows})

    columns = read(body, Cup)

    assert columns is not None
    assert columns.fields() == rows
    for values in columns.values.values():
        assert isinstance(values, np.ndarray)
        assert values.flags.c_contiguous
        assert not values.flags.writeable


@pytest.mark.parametrize("milk", [3, 0.5], ids=["whole", "dotted"])
@pytest.mark.parametrize(
    "separators",
    [(",", ": "), (", ", ":"), (", ", ": "), ("\r,", ":"), (",", "\t:"), ("\n,", ":")],
    ids=ascii,
)
def test_numbers_may_be_spelt_in_any_way(
    separators: tuple[str, str], milk: float
) -> None:
    turned = {name: CUP[name] for name in reversed(CUP)}
    rows = [CUP, turned, {**turned, "milk": milk}]

    columns = read(json.dumps({"rows": rows}, separators=separators).encode(), Cup)

    assert columns is not None
    assert columns.fields() == rows
    assert {type(one["milk"]) for one in columns.fields()} == {float}


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(b'{"sugar":1.5,"water":200.5,"milk":0.25}', id="reordered"),
        pytest.param(b'{"w\\u0061ter":200.5,"milk":0.25,"sugar":1.5}', id="escaped"),
        pytest.param(b'{"water":2,"milk":0.25,"sugar":1.5}', id="whole"),
        pytest.param(b'{"water":-0,"milk":0.25,"sugar":1.5}', id="minus-nought"),
        pytest.param(b'{"water":1e2,"milk":0.25,"sugar":1.5}', id="no-dot"),
        pytest.param(b'{"water":1.5E+2,"milk":-0.0,"sugar":5e-324}', id="exponents"),
        pytest.param(b'{"water":1.5, "milk":0.25,"sugar":1.5}', id="spaced"),
        pytest.param(b'{"water":1.5,"milk":0.25,"sugar":1.5},' + SPELT, id="two"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_numbers_in_any_spelling_are_the_rows_of_the_validator(
    row: bytes, place: int
) -> None:
    rows = [SPELT, SPELT, SPELT]
    rows[place] = row
    body = cups(*rows)

    columns = read(body, Cup)

    assert columns is not None
    assert list(columns) == validated(body, Cup)
    kinds = {type(value) for row in columns.fields() for value in row.values()}
    assert kinds == {float}


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(b'{"water":300.5,"milk":0.25,"sugar":1.5}', id="too-large"),
        pytest.param(b'{"water":200.5,"milk":0.25,"sugar":0.0}', id="too-small"),
        pytest.param(b'{"water":200.5,"milk":1.0e999,"sugar":1.5}', id="infinite"),
        pytest.param(b'{"water":200.5,"milk":NaN.,"sugar":1.5}', id="no-number"),
        pytest.param(b'{"water":true,"milk":0.25,"sugar":1.5}', id="truth"),
        pytest.param(b'{"water":true,"milk":"0.2.5","sugar":1.5}', id="truth-and-dots"),
        pytest.param(b'{"water":3,"milk":[0.2,0.5],"sugar":1.5}', id="list-of-dots"),
        pytest.param(b'{"water":3,"milk":{"a.":0.5},"sugar":1.5}', id="object"),
        pytest.param(b'{"water":"},{.","milk":0.25,"sugar":1.5}', id="cut-in-a-text"),
        pytest.param(b'{"water":[{},{}],"milk":0.2,"sugar":1.5}', id="cut-in-a-list"),
        pytest.param(
            b'{"water":[{"water":1.5},{"water":1.5}],"milk":0.2,"sugar":1.5}',
            id="cut-between-objects",
        ),
        pytest.param(
            b'{"water":"1.5.2","water":true,"milk":0.25,"sugar":1.5}', id="named-twice"
        ),
        pytest.param(b'{"wa\\nter":1.5,"milk":0.25,"sugar":1.5}', id="newline"),
        pytest.param(b'{"wa\\\\ter":1.5,"milk":0.25,"sugar":1.5}', id="backslash"),
        pytest.param(b'{"tea":1.5,"milk":0.25,"sugar":1.5}', id="another-name"),
        pytest.param(b'{"milk":0.25,"sugar":1.5}', id="lacks-one"),
        pytest.param(
            b'{"water":1.5,"milk":0.25,"sugar":1.5,"tea":1.5}', id="has-one-more"
        ),
        pytest.param(b"[1.5,0.25,1.5]", id="list"),
        pytest.param(b"{}", id="empty"),
        pytest.param(b"{", id="open"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
        pytest.param(SPELT + b"]", id="closed-early"),
        pytest.param(b"[" + SPELT, id="opened-late"),
        pytest.param(SPELT + b"}", id="one-brace-more"),
        pytest.param(SPELT + b'],"more":[1.5', id="more-than-rows"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_row_that_is_not_right_leaves_all_to_the_validator(
    row: bytes, place: int
) -> None:
    rows = [SPELT, SPELT, SPELT]
    rows[place] = row
    body = cups(*rows)
    assert read(body, Cup) is None
    assert validated(body, Cup) is None


@pytest.mark.parametrize(
    "body",
    [
        cups(SPELT, SPELT)[:-1] + b"x",
        cups(SPELT, SPELT)[:-2] + b"x}",
        cups(SPELT, SPELT) + b"]}",
        cups(SPELT, SPELT)[:-1],
        cups(*[SPELT] * (MAX_ROWS + 1)),
    ],
    ids=["end", "end-of-list", "two-ends", "no-end", "too-many"],
)
def test_a_list_that_does_not_end_as_it_should_is_left_to_the_validator(
    body: bytes,
) -> None:
    assert read(body, Cup) is None
    assert validated(body, Cup) is None


def test_of_two_lists_of_rows_the_validator_decides_as_ever() -> None:
    body = cups(SPELT, SPELT + b'],"rows":[' + SPELT, SPELT)
    columns = read(body, Cup)
    assert columns is not None
    assert list(columns) == validated(body, Cup)


@pytest.mark.parametrize("wrong", [b"true", b"[0.5]", b'"0.5"'])
def test_a_dot_in_a_name_does_not_stand_for_one_in_a_number(wrong: bytes) -> None:
    fields: dict[str, Any] = {"a.b": float, "c": float}
    dotted = create_model("Dotted", __base__=Row, **fields)
    body = b'{"rows":[{"a.b":%b,"c":1.5}]}' % wrong
    assert read(body, dotted) is None
    assert read(body.replace(wrong, b"1"), dotted) is not None


numbers = st.one_of(
    st.floats(0.01, 300),
    st.floats(),
    st.integers(1, 300),
    values,
    st.sampled_from(["},{", "1.5", [0.5, 1.5], {"a.": 1.5}, [{}, {}]]),
)
good_cups = st.fixed_dictionaries(
    {"water": st.floats(0, 300), "milk": st.floats(-1e9, 1e9), "sugar": st.floats(1, 9)}
)
any_cups = st.fixed_dictionaries({name: numbers for name in CUP})


@given(rows=st.lists(st.one_of(good_cups, any_cups), min_size=1, max_size=4))
def test_rows_of_numbers_are_right_only_where_the_validator_says_so(
    rows: list[Any],
) -> None:
    for separators in ((",", ":"), (", ", ": ")):
        body = json.dumps({"rows": rows}, separators=separators).encode()
        columns = read(body, Cup)
        if columns is not None:
            assert list(columns) == validated(body, Cup)


@given(
    rows=st.lists(good_cups, min_size=1, max_size=4),
    change=st.sampled_from([b"", b"{", b"}", b"[", b"]", b",", b".", b":", b'"', b"1"]),
    place=st.integers(0, 10**6),
    spelling=st.sampled_from([orjson.dumps, lambda rows: json.dumps(rows).encode()]),
)
def test_rows_with_one_byte_changed_are_right_only_where_the_validator_says_so(
    rows: list[Any], change: bytes, place: int, spelling: Callable[[Any], bytes]
) -> None:
    body = spelling({"rows": rows})
    place %= len(body)
    body = body[:place] + change + body[place + 1 :]
    columns = read(body, Cup)
    if columns is not None:
        assert list(columns) == validated(body, Cup)
