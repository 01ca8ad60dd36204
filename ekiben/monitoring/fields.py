"""The fields of a use case's row, and what rows say of them that can be compared."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ekiben.monitoring.records import is_hash
from ekiben.schemas.base import Row

Kind = Literal["number", "whole", "category", "text", "other"]
Floats = NDArray[np.float64]
Sample = Floats | list[str]
"""What was seen of one signal: numbers, or names of categories."""

KINDS: Mapping[str, Kind] = {
    "number": "number",
    "integer": "whole",
    "boolean": "category",
    "string": "text",
}
"""JSON schema's name of a type to what a field is here."""
WORD = re.compile(r"[^\W\d_]+")
"""A run of letters of any script; numbers are new in every second message."""
WITHHELD = object()

VALUE, MISSING, LENGTH = "value", "missing", "length"
UNKNOWN_WORDS = "out-of-vocabulary words"
LABEL, PROBABILITY = "label", "probability"
GIVEN = "given"
PREDICTION = "prediction"


@dataclass(frozen=True)
class Field:
    """One field of a row, by the name that the row's type has for it."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Column:
    """What rows say of one field.

    `missing` rows do not give it; of `withheld` ones the log does not keep it, so that
    nothing can be said of them.
    """

    given: list[Any]
    missing: int
    withheld: int


def fields_of(row: type[Row]) -> tuple[Field, ...]:
    """Return the fields of a row type, in its order."""
    schema = row.model_json_schema(by_alias=False)
    definitions = schema.get("$defs", {})
    properties = schema.get("properties", {})
    return tuple(
        Field(name, _kind(one, definitions)) for name, one in properties.items()
    )


def _kind(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Kind:
    if "$ref" in schema:
        return _kind(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        given = [one for one in schema["anyOf"] if one.get("type") != "null"]
        kinds = {_kind(one, definitions) for one in given}
        return kinds.pop() if len(kinds) == 1 else "other"
    if "enum" in schema or "const" in schema:
        return "category"
    return KINDS.get(schema.get("type", ""), "other")


def column_of(field: Field, rows: Iterable[Mapping[str, Any]]) -> Column:
    """Return what *rows*, of the log or of a table, say of *field*.

    A logged row has every field, None where the client gave none, but for what is
    personal: that is dropped, or its hash stands in its place.
    """
    given: list[Any] = []
    missing = withheld = 0
    for row in rows:
        value = row.get(field.name, WITHHELD)
        if value is None or value != value:  # a table says NaN
            missing += 1
        elif value is WITHHELD or not _is_kept(field.kind, value):
            withheld += 1
        else:
            given.append(value)
    return Column(given, missing, withheld)


def _is_kept(kind: Kind, value: Any) -> bool:
    """Whether a logged value is the client's own, and not what stands in its place."""
    if isinstance(value, str):
        return kind in ("text", "category", "other") and not is_hash(value)
    if kind in ("number", "whole"):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return kind != "text"


def signals_of(
    field: Field, column: Column, vocabulary: AbstractSet[str] | None
) -> dict[str, Sample]:
    """Return what can drift of a field: whether it is given, and its values.

    Of a text it is the length and, where there is a *vocabulary*, the words.
    """
    given = [GIVEN] * len(column.given) + [MISSING] * column.missing
    found: dict[str, Sample] = {MISSING: given}
    if field.kind == "category":
        found[VALUE] = [name_of(one) for one in column.given]
    if field.kind in ("number", "whole"):
        found[VALUE] = np.array(column.given, dtype=np.float64)
    if field.kind == "text":
        lengths = [len(text) for text in column.given]
        found[LENGTH] = np.array(lengths, dtype=np.float64)
        if vocabulary is not None:
            found[UNKNOWN_WORDS] = unknown_words(column.given, vocabulary)
    return found


def prediction_signals(
    answers: Sequence[Mapping[str, Any]], label_of: Callable[[Any], Any]
) -> dict[str, Sample]:
    """Return what can drift of predictions: the label, and the probability stated."""
    found: dict[str, Sample] = {LABEL: [name_of(label_of(one)) for one in answers]}
    stated = [stated_probability(one) for one in answers]
    numbers = [one for one in stated if one is not None]
    if numbers:
        found[PROBABILITY] = np.array(numbers, dtype=np.float64)
    return found


def words_of(text: str) -> list[str]:
    """Return the words of *text*, in one case."""
    return WORD.findall(text.casefold())


def unknown_words(texts: Iterable[str], vocabulary: AbstractSet[str]) -> Floats:
    """Return the share of words not in *vocabulary* of each text that has words."""
    shares = []
    for text in texts:
        if words := words_of(text):
            unknown = sum(word not in vocabulary for word in words)
            shares.append(unknown / len(words))
    return np.array(shares, dtype=np.float64)


def name_of(value: Any) -> str:
    """Return the name of a category; of one field no two values have the same."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def stated_probability(answer: Mapping[str, Any]) -> float | None:
    """Return the probability that an answer states: of yes, or of its likeliest class."""
    if isinstance(answer.get("probability"), (int, float)):
        return float(answer["probability"])
    stated = answer.get("probabilities")
    if isinstance(stated, Mapping) and stated:
        return float(max(stated.values()))
    return None
