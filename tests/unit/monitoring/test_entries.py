"""What becomes a line of the log, and what is kept of personal fields."""

import json
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pytest

from ekiben.monitoring.entries import Encoder, Entry, Line, PersonalPolicy
from ekiben.monitoring.kept_columns import listed
from ekiben.monitoring.records import HASHED
from ekiben.schemas.base import Personal, Row, personal_fields
from ekiben.schemas.spam import Message
from ekiben.schemas.topics import Project
from ekiben.use_cases.columns import Column, Columns
from tests.logbook import line_of

IDS = "019aa41e-6f0b-7c52-9d43-0f2b8c61e"
ANSWERED = b'[{"label":"ham"},{"label":"spam"}]'
SECRET = b"s" * 32


class Visit(Row):
    name: Annotated[str, Personal()]
    age: Annotated[int, Personal()]
    pages: int


def entry(encoder: Encoder, rows: Sequence[Row], caller: str = "k-1") -> Entry:
    return encoder.entry(
        "visits", "v:a", 12.5, IDS, rows, ANSWERED, 3, 0.25, "r-1", caller
    )


def line(encoder: Encoder, *rows: Row, caller: str = "k-1") -> Line:
    return line_of(encoder, entry(encoder, rows, caller))


def encoder(policy: PersonalPolicy) -> Encoder:
    return Encoder.of({"visits": Visit}, policy, SECRET)


def row_of(policy: PersonalPolicy, row: Row) -> dict[str, object]:
    (found,) = json.loads(line(encoder(policy), row).asked)
    return dict(found)


def test_a_line_has_all_rows_of_a_request_and_its_answers_as_they_were_sent() -> None:
    rows = Visit(name="Zoë\0☃", age=7, pages=2), Visit(name="b", age=8, pages=3)

    made = line(encoder("keep"), *rows)

    key = IDS.replace("-", "")
    assert (made.key, made.first, made.rows, made.batch_rows) == (key, 0, 2, 3)
    assert (made.use_case, made.tag, made.at) == ("visits", "v:a", 12_500_000)
    assert (made.seconds, made.request_id, made.caller) == (0.25, "r-1", "k-1")
    assert json.loads(made.asked) == [
        {"name": "Zoë\0☃", "age": 7, "pages": 2},
        {"name": "b", "age": 8, "pages": 3},
    ]
    assert made.answered == ANSWERED.decode()


def test_personal_fields_are_dropped() -> None:
    assert row_of("drop", Visit(name="Zoë", age=7, pages=2)) == {"pages": 2}


def test_equal_values_of_a_field_have_equal_hashes_and_nothing_of_them_is_left() -> (
    None
):
    one, same, other = (
        row_of("hash", Visit(name=name, age=7, pages=2)) for name in ("Zoë", "Zoë", "Z")
    )
    assert one == same
    assert one["name"] != other["name"]
    assert str(one["name"]).startswith(HASHED)
    assert str(one["age"]).startswith(HASHED)
    assert one["pages"] == 2
    assert "Zo" not in str(one)


def test_a_hash_is_worth_nothing_without_the_secret() -> None:
    row = Visit(name="Zoë", age=7, pages=2)
    made = line(Encoder.of({"visits": Visit}, "hash", b"t" * 32), row)
    assert json.loads(made.asked)[0]["name"] != row_of("hash", row)["name"]


def test_a_number_too_large_for_the_fast_writer_is_kept() -> None:
    row = Visit(name="a", age=10**30, pages=2)
    assert row_of("keep", row)["age"] == 10**30


def test_what_postgresql_cannot_hold_does_not_stop_a_line() -> None:
    made = line(encoder("keep"), Visit(name="a", age=1, pages=2), caller="a\0b")
    assert "\0" not in made.asked + made.caller


@pytest.mark.parametrize("row", [Message, Project], ids=lambda row: row.__name__)
def test_texts_are_personal_and_the_schema_does_not_say_so(row: type[Row]) -> None:
    assert personal_fields(row) == {"text"}
    assert "ersonal" not in json.dumps(row.model_json_schema()["properties"])


def test_few_rows_are_written_down_at_once_and_many_or_personal_ones_later() -> None:
    few = [Visit(name="a", age=7, pages=2)]
    many = Columns(Visit, {"name": ["a"], "age": [7], "pages": [2]})

    assert entry(encoder("keep"), few)[1] is None
    assert entry(encoder("keep"), many)[1] is many
    assert entry(encoder("hash"), few)[1] is few
    assert line(encoder("keep"), *many).asked == line(encoder("keep"), *few).asked


def test_many_rows_are_kept_as_columns() -> None:
    values: dict[str, Column] = {
        "name": ["a", "b"],
        "age": [7, 8],
        "pages": np.array([2, 3]),
    }
    made = encoder("keep")
    kept = line_of(made, entry(made, Columns(Visit, values)))

    assert kept.asked == '{"name":["a","b"],"age":[7,8],"pages":[2,3]}'
    assert kept.numbers is None
    assert listed(kept.asked, None, 2) == [
        {"name": "a", "age": 7, "pages": 2},
        {"name": "b", "age": 8, "pages": 3},
    ]


def test_what_is_personal_is_kept_of_many_rows_no_more_than_of_few() -> None:
    values: dict[str, Column] = {"name": ["a"], "age": [7], "pages": [2]}
    made = encoder("drop")
    kept = line_of(made, entry(made, Columns(Visit, values)))

    assert (json.loads(kept.asked), kept.numbers) == ([{"pages": 2}], None)


class Dose(Row):
    """As many real numbers as are not written down in JSON, one of them personal."""

    name: str
    a: float
    b: float
    c: float
    d: float
    e: float
    f: float
    g: float
    h: float
    i: float
    weight: Annotated[float, Personal()]


@pytest.mark.parametrize("policy", ["keep", "hash", "drop"])
def test_wide_tables_of_numbers_lie_in_bytes_unless_one_is_personal(
    policy: PersonalPolicy,
) -> None:
    numbers = {name: np.array([0.1, 2.0]) for name in Dose.model_fields}
    values: dict[str, Column] = {**numbers, "name": ["x", "y"]}
    made = Encoder.of({"visits": Dose}, policy, SECRET)
    kept = line_of(made, entry(made, Columns(Dose, values)))

    rows = listed(kept.asked, kept.numbers, 2)
    assert (kept.numbers is not None) == (policy == "keep")
    assert [one["name"] for one in rows] == ["x", "y"]
    assert [one["a"] for one in rows] == [0.1, 2.0]
    assert ("weight" in rows[0]) == (policy != "drop")
    assert (rows[0].get("weight") == 0.1) == (policy == "keep")
