"""What becomes a line of the log, and what is kept of personal fields."""

import json
from typing import Annotated

import pytest

from ekiben.monitoring.entries import Encoder, Entry, PersonalPolicy
from ekiben.monitoring.records import HASHED
from ekiben.schemas.base import Personal, Row, personal_fields
from ekiben.schemas.spam import Message
from ekiben.schemas.topics import Project

IDS = "019aa41e-6f0b-7c52-9d43-0f2b8c61e"
ANSWERED = b'[{"label":"ham"},{"label":"spam"}]'
SECRET = b"s" * 32


class Visit(Row):
    name: Annotated[str, Personal()]
    age: Annotated[int, Personal()]
    pages: int


def entry(*rows: Row, caller: str = "k-1") -> Entry:
    return Entry("visits", "v:a", 12.5, IDS, rows, ANSWERED, 3, 0.25, "r-1", caller)


def encoder(policy: PersonalPolicy) -> Encoder:
    return Encoder.of({"visits": Visit}, policy, SECRET)


def row_of(policy: PersonalPolicy, row: Row) -> dict[str, object]:
    (found,) = json.loads(encoder(policy).line(entry(row)).asked)
    return dict(found)


def test_a_line_has_all_rows_of_a_request_and_its_answers_as_they_were_sent() -> None:
    given = entry(Visit(name="Zoë\0☃", age=7, pages=2), Visit(name="b", age=8, pages=3))

    line = encoder("keep").line(given)

    assert (line.key, line.first, line.rows, line.batch_rows) == (
        IDS.replace("-", ""),
        0,
        2,
        3,
    )
    assert (line.use_case, line.tag, line.at) == ("visits", "v:a", 12_500_000)
    assert (line.seconds, line.request_id, line.caller) == (0.25, "r-1", "k-1")
    assert json.loads(line.asked) == [
        {"name": "Zoë\0☃", "age": 7, "pages": 2},
        {"name": "b", "age": 8, "pages": 3},
    ]
    assert line.answered == ANSWERED.decode()


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
    line = Encoder.of({"visits": Visit}, "hash", b"t" * 32).line(entry(row))
    assert json.loads(line.asked)[0]["name"] != row_of("hash", row)["name"]


def test_a_number_too_large_for_the_fast_writer_is_kept() -> None:
    row = Visit(name="a", age=10**30, pages=2)
    assert row_of("keep", row)["age"] == 10**30


def test_what_postgresql_cannot_hold_does_not_stop_a_line() -> None:
    line = encoder("keep").line(entry(Visit(name="a", age=1, pages=2), caller="a\0b"))
    assert "\0" not in line.asked + line.caller


@pytest.mark.parametrize("row", [Message, Project], ids=lambda row: row.__name__)
def test_texts_are_personal_and_the_schema_does_not_say_so(row: type[Row]) -> None:
    assert personal_fields(row) == {"text"}
    assert "ersonal" not in json.dumps(row.model_json_schema()["properties"])
