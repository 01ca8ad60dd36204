"""What is read from rows before it is compared."""

from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import Field as Bounds

from ekiben.monitoring.fields import (
    Field,
    Kind,
    column_of,
    fields_of,
    name_of,
    prediction_signals,
    signals_of,
    stated_probability,
    unknown_words,
)
from ekiben.schemas.base import Row, Text
from ekiben.use_cases.catalog import USE_CASES

HASH = "hmac-sha256:" + "0a" * 32


class Sample(Row):
    price: Annotated[float, Bounds(ge=0)]
    rooms: int | None
    sold: bool = False
    street: Literal["north", "south"] | None = None
    note: Text | None = None
    tags: tuple[str, ...] = ()
    either: int | str = 0


def test_kinds_are_those_of_the_rows_type() -> None:
    kinds: dict[str, Kind] = {one.name: one.kind for one in fields_of(Sample)}

    assert kinds == {
        "price": "number",
        "rooms": "whole",
        "sold": "category",
        "street": "category",
        "note": "text",
        "tags": "other",
        "either": "other",
    }


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda one: one.name)
def test_every_field_that_is_served_can_be_compared(use_case: Any) -> None:
    assert "other" not in {one.kind for one in fields_of(use_case.row)}


@pytest.mark.parametrize(
    ("kind", "rows", "given", "missing", "withheld"),
    [
        pytest.param("number", [{"x": 1.5}, {"x": None}], [1.5], 1, 0, id="none"),
        pytest.param("number", [{"x": float("nan")}], [], 1, 0, id="nan-of-a-table"),
        pytest.param("number", [{"x": HASH}, {}], [], 0, 2, id="hashed-and-dropped"),
        pytest.param("text", [{"x": HASH}, {"x": "hi"}], ["hi"], 0, 1, id="a-text"),
        pytest.param(
            "text",
            [{"x": "hmac-sha256: what?"}],
            ["hmac-sha256: what?"],
            0,
            0,
            id="no-hash",
        ),
        pytest.param(
            "category", [{"x": HASH}, {"x": True}], [True], 0, 1, id="a-category"
        ),
        pytest.param("whole", [{"x": True}, {"x": 3}], [3], 0, 1, id="no-number"),
    ],
)
def test_what_is_missing_is_not_what_the_log_keeps_to_itself(
    kind: Kind, rows: Any, given: list[Any], missing: int, withheld: int
) -> None:
    column = column_of(Field("x", kind), rows)

    assert (column.given, column.missing, column.withheld) == (given, missing, withheld)


def test_words_are_known_whatever_their_case_and_numbers_are_no_words() -> None:
    known = frozenset({"straße", "call", "strasse"})

    shares = unknown_words(
        ["CALL 0800!", "Call me, call", "STRASSE 5", "12 :-)", "免费 call"], known
    )

    assert shares.tolist() == [0.0, 1 / 3, 0.0, 0.5]


def test_of_a_text_nothing_is_said_of_words_without_a_vocabulary() -> None:
    field = Field("x", "text")
    column = column_of(field, [{"x": "one two"}])

    assert set(signals_of(field, column, None)) == {"missing", "length"}
    found = signals_of(field, column, frozenset({"one"}))
    assert np.asarray(found["out-of-vocabulary words"]).tolist() == [0.5]


@pytest.mark.parametrize(
    ("value", "name"), [(True, "true"), (3, "3"), (3.0, "3"), (2.5, "2.5"), ("3", "3")]
)
def test_a_category_has_one_name(value: Any, name: str) -> None:
    assert name_of(value) == name


@pytest.mark.parametrize(
    ("answer", "stated"),
    [
        ({"probability": 0.25}, 0.25),
        ({"probabilities": {"a": 0.7, "b": 0.3}}, 0.7),
        ({"probabilities": {}}, None),
        ({"price": 3}, None),
    ],
)
def test_the_probability_is_the_stated_one(
    answer: dict[str, Any], stated: float | None
) -> None:
    assert stated_probability(answer) == stated


def test_answers_without_a_probability_have_a_label() -> None:
    found = prediction_signals([{"label": "a"}], lambda answer: answer["label"])

    assert found == {"label": ["a"]}
