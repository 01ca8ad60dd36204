"""Tables become the rows that JSON would have made, or are refused in the same words."""

import json
import struct
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pytest
from annotated_types import MultipleOf
from pydantic import Field, ValidationError, field_validator

from ekiben.schemas.base import Personal, PredictRequest, Row
from ekiben.serving import arrow_stream
from ekiben.serving.arrow_rows import ArrowRows
from ekiben.serving.arrow_stream import read_table
from ekiben.serving.edge import InvalidRequest, Refused
from ekiben.serving.problems import validation_problem
from ekiben.use_cases.columns import Columns
from tests.tables import cast, stream

MOST_BYTES = 100_000


class Tea(Row):
    grams: Annotated[float, Field(gt=0, le=30)]
    minutes: Annotated[int, Field(ge=1, lt=60)]
    hot: bool
    kind: Literal["green", "black"]
    note: Annotated[str, Field(max_length=20), Personal()]


TEA = {"grams": 2.5, "minutes": 3, "hot": True, "kind": "green", "note": "thé 🍵"}
TEAS = [
    {**TEA, "grams": 0.1 * number + 0.1, "hot": number % 3 == 0, "minutes": number + 1}
    for number in range(20)
]
TABLE = pa.Table.from_pylist(TEAS)


def reader(row: type[Row] = Tea) -> ArrowRows:
    return ArrowRows.of(row, unknown=100, most_bytes=MOST_BYTES)


def ask(body: bytes, row: type[Row] = Tea) -> Any:
    """Return the rows of *body* as the edge does: by columns, else by JSON."""
    rows = reader(row)
    table = rows.read(body)
    columns = rows.columns(table)
    return rows.rows(table) if columns is None else columns


def told(body: bytes, row: type[Row] = Tea) -> Any:
    """Return the code, detail and errors of the refusal."""
    with pytest.raises(InvalidRequest) as caught:
        ask(body, row)
    return validation_problem(caught.value.reason)


def told_of_json(rows: Any, row: type[Row] = Tea) -> Any:
    """Return the same for a request in JSON."""
    with pytest.raises(ValidationError) as caught:
        PredictRequest[row].model_validate_json(json.dumps({"rows": rows}))  # type: ignore[valid-type]
    return validation_problem(caught.value)


def refused(body: bytes, row: type[Row] = Tea) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        ask(body, row)
    return caught.value.code, caught.value.detail


TYPES = [
    *({"grams": kind} for kind in (pa.float32(), pa.float16())),
    *({"minutes": kind} for kind in (pa.int8(), pa.int16(), pa.int32(), pa.uint8())),
    *({"minutes": kind} for kind in (pa.uint16(), pa.uint32(), pa.uint64())),
    *({"note": kind} for kind in (pa.large_string(), pa.string_view(), dict)),
    {"kind": dict, "note": dict},
    {"kind": pa.string_view(), "note": pa.large_string()},
    {"kind": pa.dictionary(pa.int8(), pa.large_string())},
    {"kind": pa.dictionary(pa.uint32(), pa.string())},
]


@pytest.mark.parametrize("types", [{}, *TYPES], ids=str)
@pytest.mark.parametrize("batch_rows", [None, 1, 7])
def test_every_type_that_holds_the_values_gives_the_rows(
    types: dict[str, Any], batch_rows: int | None
) -> None:
    table = cast(TABLE, **types)

    rows = ask(stream(table, batch_rows, emit_dictionary_deltas=False))

    assert isinstance(rows, Columns)
    assert list(rows) == [Tea.model_validate(row) for row in table.to_pylist()]


def test_a_dictionary_may_hold_views() -> None:
    """As polars writes its categories."""
    views = pa.array(["green", "black"], pa.string_view())
    places = pa.array([number % 2 for number in range(20)], pa.uint32())
    encoded = pa.DictionaryArray.from_arrays(places, views)
    table = TABLE.set_column(3, "kind", encoded)

    assert [row.kind for row in ask(stream(table))] == ["green", "black"] * 10


def test_slices_and_empty_batches_give_their_rows() -> None:
    empty, middle, end = TABLE[:0], TABLE[3:11], TABLE[13:]

    rows = ask(stream(pa.concat_tables([empty, middle, empty, end])))

    assert list(rows) == [Tea.model_validate(row) for row in TEAS[3:11] + TEAS[13:]]


def test_whole_numbers_are_taken_for_numbers_as_in_json() -> None:
    (row,) = ask(stream(pa.Table.from_pylist([{**TEA, "grams": 3}])))

    assert row == Tea.model_validate({**TEA, "grams": 3.0})
    assert type(row.grams) is float


def test_the_order_of_columns_does_not_matter() -> None:
    turned = TABLE.select(TABLE.column_names[::-1])

    assert list(ask(stream(turned))) == list(ask(stream(TABLE)))


def test_no_column_keeps_the_body_in_memory() -> None:
    """The prediction log may hold rows for as long as its database is away."""
    columns = ask(stream(TABLE)).values.values()

    arrays = [one for one in columns if isinstance(one, np.ndarray)]
    assert len(arrays) == 3
    assert all(one.flags.owndata for one in arrays)


CHANGES: list[dict[str, Any]] = [
    {"grams": float("nan")},
    {"grams": float("inf")},
    {"grams": -float("inf")},
    {"grams": 0.0},
    {"grams": 30.000001},
    {"grams": None},
    {"minutes": None},
    {"minutes": 60},
    {"minutes": 0},
    {"hot": None},
    {"kind": None},
    {"kind": "herbal"},
    {"note": "much too long for a note"},
    {"note": None},
    {"surprise": 1},
    {"grams": 31.0, "kind": "herbal", "note": None},
]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_a_bad_value_is_refused_as_in_json_with_row_and_column(
    changes: dict[str, Any],
) -> None:
    rows = [dict(one) for one in TEAS]
    rows[7] |= changes
    if "surprise" in changes:
        rows = [{**one, **changes} for one in rows]

    assert told(stream(pa.Table.from_pylist(rows))) == told_of_json(rows)


WRONG = [
    ("grams", pa.array(["2.5"] * 20), "2.5"),
    ("grams", pa.array([True] * 20), True),
    ("minutes", pa.array([3.0] * 20), 3.0),
    ("hot", pa.array([1] * 20), 1),
    ("hot", pa.array(["true"] * 20), "true"),
    ("kind", pa.array([1] * 20), 1),
    ("note", pa.array([b"x"] * 20), []),
    ("note", pa.nulls(20), None),
    ("grams", pa.nulls(20), None),
    ("grams", pa.array([[1.0]] * 20), [1.0]),
    ("grams", pa.array([{"a": 1.0}] * 20), {"a": 1.0}),
    ("grams", pa.array([1] * 20, pa.timestamp("s")), []),
    ("grams", pa.array([1] * 20, pa.decimal128(5)), []),
    ("minutes", pa.array([2**64 - 1] * 20, pa.uint64()), 2**64 - 1),
]


@pytest.mark.parametrize(
    ("name", "column", "value"), WRONG, ids=lambda one: str(one)[:20]
)
def test_a_wrong_type_is_refused_as_in_json(name: str, column: Any, value: Any) -> None:
    table = TABLE.set_column(TABLE.schema.get_field_index(name), name, column)

    assert told(stream(table)) == told_of_json([{**one, name: value} for one in TEAS])


def test_a_missing_column_is_refused_as_in_json() -> None:
    without = [{k: v for k, v in one.items() if k != "hot"} for one in TEAS]

    assert told(stream(TABLE.drop_columns(["hot"]))) == told_of_json(without)


def test_a_table_without_columns_lacks_them_in_each_row() -> None:
    assert told(stream(TABLE.select([]))) == told_of_json([{}] * 20)


def test_an_extension_type_is_no_number() -> None:
    marked = pa.field("grams", pa.float64(), metadata={"ARROW:extension:name": "x.y"})
    table = TABLE.set_column(0, marked, TABLE.column(0))
    as_list = [{**one, "grams": []} for one in TEAS]

    assert told(stream(table)) == told_of_json(as_list)


@pytest.mark.parametrize("rows", [0, 1001, 50_000])
def test_no_rows_and_too_many_are_refused_as_in_json(rows: int) -> None:
    table = pa.Table.from_pylist(TEAS[:1] * rows, TABLE.schema)

    assert told(stream(table)) == told_of_json([TEA] * rows)


def test_a_claim_of_many_rows_is_refused_by_what_it_says() -> None:
    body = stream(pa.Table.from_pylist(TEAS[:1] * 997, TABLE.schema))
    claim = struct.pack("<q", 2**60)

    code, _, errors = told(body.replace(struct.pack("<q", 997), claim))

    assert code == "validation_failed"
    assert errors[0].code == "too_long"


@pytest.mark.parametrize("cut", [1, 8, 9, 100, 1000, -1], ids=str)
def test_a_stream_that_is_cut_or_goes_on_is_refused(cut: int) -> None:
    body = stream(TABLE)
    body = body + b"\0" if cut < 0 else body[:-cut]

    assert refused(body) == ("invalid_json", "The body is not a valid Arrow stream.")


@pytest.mark.parametrize("body", [b"", b"\xff" * 40, b'{"rows": []}', b"ARROW1\0\0"])
def test_what_is_no_stream_is_refused(body: bytes) -> None:
    assert refused(body)[0] == "invalid_json"


def test_a_text_that_is_no_utf_8_is_refused() -> None:
    assert refused(stream(TABLE).replace("🍵".encode(), b"\xff\xff\xff\xff")) == (
        "invalid_json",
        "The body is not a valid Arrow stream.",
    )


def test_a_column_that_is_named_twice_is_refused() -> None:
    assert refused(stream(TABLE.append_column("hot", TABLE.column("hot")))) == (
        "invalid_json",
        "The table names a column twice.",
    )


def test_far_too_many_columns_are_refused_unread() -> None:
    many = pa.table({f"c{number}": pa.nulls(1) for number in range(106)})

    assert refused(stream(many))[0] == "validation_failed"
    assert told(stream(many.select(range(105))))[0] == "validation_failed"


def test_a_dictionary_may_not_grow() -> None:
    parts = [["green"], ["green", "black"]]
    chunks = [pa.array(part).dictionary_encode() for part in parts]
    table = pa.table({"kind": pa.chunked_array(chunks)})

    assert "grow" in refused(stream(table, emit_dictionary_deltas=True))[1]


@pytest.mark.parametrize("kind", [dict, pa.string_view()], ids=str)
def test_a_text_that_stands_in_many_rows_is_counted_in_each(kind: Any) -> None:
    rows = [{**TEA, "note": "x" * 1000}] * 101
    table = cast(pa.Table.from_pylist(rows), note=kind)
    if kind is not dict:
        table = table.set_column(4, "note", one_view(101))

    body = stream(table)

    assert len(body) < MOST_BYTES
    assert refused(body)[0] == "payload_too_large"


def one_view(count: int) -> Any:
    """Return *count* views of one text of a thousand characters."""
    view = struct.pack("<i4sii", 1000, b"xxxx", 0, 0)
    buffers = [None, pa.py_buffer(view * count), pa.py_buffer(b"x" * 1000)]
    return pa.Array.from_buffers(pa.string_view(), count, buffers)


BOMB = pa.table({"grams": pa.array([0.0] * 200_000)})


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_buffers_are_never_unpacked(codec: str) -> None:
    assert refused(stream(BOMB, compression=codec)) == (
        "invalid_json",
        "Arrow buffers may not be compressed.",
    )
    dictionary = cast(pa.table({"note": ["x" * 9999]}), note=dict)
    assert "compressed" in refused(stream(dictionary, compression=codec))[1]


def test_c10_without_the_look_a_small_body_takes_much_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = stream(BOMB, compression="zstd")
    monkeypatch.setattr(arrow_stream, "_look_at", lambda body: None)

    table = read_table(body, 10)

    assert table.nbytes > 100 * len(body)


class Strict(Row):
    grams: float

    @field_validator("grams")
    @classmethod
    def check(cls, grams: float) -> float:
        if grams > 10:
            raise ValueError("too strong")
        return grams


class Even(Row):
    grams: Annotated[int, MultipleOf(2)]


class Optional(Row):
    grams: float | None = None
    minutes: int = 3


@pytest.mark.parametrize("row", [Strict, Even, Optional])
def test_what_is_not_checked_by_field_is_checked_by_row(row: type[Row]) -> None:
    good, bad = [{"grams": 2}], [{"grams": 2}, {"grams": 12.5}]

    assert reader(row).checks is None
    assert list(ask(stream(pa.Table.from_pylist(good)), row)) == [
        row.model_validate_json('{"grams": 2}')
    ]
    if row is not Optional:
        assert told(stream(pa.Table.from_pylist(bad)), row) == told_of_json(
            json.loads(json.dumps([{"grams": 2.0}, {"grams": 12.5}])), row
        )


def test_a_null_is_taken_where_json_takes_one() -> None:
    table = pa.table({"grams": [1.5, None]})

    assert list(ask(stream(table), Optional)) == [
        Optional(grams=1.5),
        Optional(grams=None),
    ]
