"""Many rows in JSON become the columns of the rows that the validator makes, or it decides."""

import json
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given
from pydantic import Field, ValidationError

from ekiben.schemas.base import MAX_ROWS, PredictRequest, Row
from ekiben.serving import json_columns
from ekiben.serving.json_columns import JsonColumns
from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.columns import Columns
from tests.unit.serving.test_arrow_rows import TEA, TEAS, Tea

READER = JsonColumns.of(Tea)


@pytest.fixture(autouse=True, scope="module", params=[1, 100])
def many_fields(request: pytest.FixtureRequest) -> Iterator[None]:
    """Take the columns of every schema by the order of its fields, or by their names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_columns, "MANY_FIELDS", request.param)
        yield


def read(content: object) -> Columns | None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return READER.read(body)


def validated(body: bytes) -> list[Tea] | None:
    """Return the rows of *body* by the validator of rows, None: it refuses them."""
    try:
        rows: list[Tea] = PredictRequest[Tea].model_validate_json(body).rows
    except ValidationError:
        return None
    return rows


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda one: one.name)
def test_columns_are_the_rows_of_every_use_case(use_case: Any) -> None:
    body = json.dumps({"rows": use_case.examples * 20}).encode()
    rows = PredictRequest[use_case.row].model_validate_json(body).rows

    columns = JsonColumns.of(use_case.row).read(body)

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


def test_rows_that_stand_in_the_body_as_they_are_kept_are_not_written_anew() -> None:
    body = orjson.dumps({"rows": PLAIN})
    columns = READER.read(body)
    assert columns is not None
    assert columns.written is not None
    assert json.loads(columns.written) == columns.fields()


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"rows": PLAIN}).encode(),
        json.dumps({"rows": PLAIN}, indent=1).encode(),
        orjson.dumps({"rows": PLAIN}) + b"\n",
        b" " + orjson.dumps({"rows": PLAIN}),
        orjson.dumps({"rows": PLAIN}).replace(b",", b",\t", 1),
        orjson.dumps({"rows": PLAIN}).replace(b",", b",\r", 1),
        orjson.dumps({"rows": [{**PLAIN[0], "grams": 3}]}),
        orjson.dumps({"rows": PLAIN}).replace(b'"rows"', b'"ro\\u0077s"'),
    ],
    ids=str,
)
def test_what_is_spelt_otherwise_is_written_anew(body: bytes) -> None:
    columns = READER.read(body)
    assert columns is not None
    assert columns.written is None
    assert columns.fields()


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
    assert JsonColumns.of(Optional).read(body) is None


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
        columns = JsonColumns.of(Mass).read(body)
        assert columns is not None
        assert list(columns) == PredictRequest[Mass].model_validate_json(body).rows
