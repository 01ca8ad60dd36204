"""What becomes a line of the log, and what is kept of personal fields."""

import json
from typing import Annotated

import pytest

from ekiben.monitoring.entries import Encoder, Entry, PersonalPolicy
from ekiben.monitoring.records import HASHED
from ekiben.schemas.base import Personal, Row, personal_fields
from ekiben.schemas.spam import Message
from ekiben.schemas.topics import Project

ID = "019aa41e-6f0b-7c52-9d43-0f2b8c61e704"
SECRET = b"s" * 32


class Visit(Row):
    name: Annotated[str, Personal()]
    age: Annotated[int, Personal()]
    pages: int


def entry(*rows: Row, caller: str = "k-1") -> Entry:
    answers = [
        {"label": "ham", "probability": 0.1 + 0.2, "prediction_id": ID, "model": "v:a"}
        for _ in rows
    ]
    return Entry("visits", "v:a", 12.5, rows, answers, 3, 0.25, "r-1", caller)


def encoder(policy: PersonalPolicy) -> Encoder:
    return Encoder.of({"visits": Visit}, policy, SECRET)


def row_of(policy: PersonalPolicy, row: Row) -> dict[str, object]:
    (line,) = encoder(policy).lines(entry(row))
    found: dict[str, object] = json.loads(line.row)
    return found


def test_a_line_has_all_of_the_answer_but_id_and_model() -> None:
    (line,) = encoder("keep").lines(entry(Visit(name="Zoë\0☃", age=7, pages=2)))

    assert line.id == ID.replace("-", "")
    assert line.at == 12_500_000
    assert json.loads(line.row) == {"name": "Zoë\0☃", "age": 7, "pages": 2}
    assert json.loads(line.answer) == {"label": "ham", "probability": 0.1 + 0.2}
    assert line[6:] == (3, 0.25, "r-1", "k-1")


def test_the_answer_that_is_sent_is_left_as_it_was() -> None:
    given = entry(Visit(name="a", age=7, pages=2))
    encoder("keep").lines(given)
    assert given.answers[0]["prediction_id"] == ID


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
    (line,) = Encoder.of({"visits": Visit}, "hash", b"t" * 32).lines(entry(row))
    assert json.loads(line.row)["name"] != row_of("hash", row)["name"]


def test_a_number_too_large_for_the_fast_writer_is_kept() -> None:
    row = Visit(name="a", age=10**30, pages=2)
    assert row_of("keep", row)["age"] == 10**30


def test_what_postgresql_cannot_hold_does_not_stop_a_line() -> None:
    (line,) = encoder("keep").lines(
        entry(Visit(name="a", age=1, pages=2), caller="a\0b")
    )
    assert "\0" not in line.row + line.caller


@pytest.mark.parametrize("row", [Message, Project], ids=lambda row: row.__name__)
def test_texts_are_personal_and_the_schema_does_not_say_so(row: type[Row]) -> None:
    assert personal_fields(row) == {"text"}
    assert "ersonal" not in json.dumps(row.model_json_schema()["properties"])
