"""Whether a client of one JSON schema can live with another, and what differs if not.

Only what pydantic writes is understood; what is not understood must be equal.
"""

import math
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

ANNOTATIONS = frozenset({"title", "description", "examples", "default", "format"})
STRUCTURE = frozenset(
    {"$defs", "$ref", "type", "enum", "const", "anyOf", "properties", "required"}
    | {"additionalProperties", "propertyNames", "items"}
)
BOUNDS = {
    "minimum": ("exclusiveMinimum", 1),
    "maximum": ("exclusiveMaximum", -1),
    "minLength": ("", 1),
    "maxLength": ("", -1),
    "minItems": ("", 1),
    "maxItems": ("", -1),
}
"""A bound, its exclusive form, and 1 where a larger one takes less."""


def row_differences(old: Schema, new: Schema) -> list[str]:
    """Say why rows that *old* took might not be taken by *new*; empty: all are."""
    return list(_uncovered(_Reader(old), old, _Reader(new), new, "row"))


def prediction_differences(old: Schema, new: Schema) -> list[str]:
    """Say why predictions of *new* might surprise a client of *old*; empty: none does.

    Fields may be added, since clients pass over what they do not know.
    """
    found = _uncovered(
        _Reader(new), new, _Reader(old), old, "prediction", may_add_fields=True
    )
    return list(found)


class _Reader:
    """Follows the references of one schema."""

    def __init__(self, root: Schema) -> None:
        self._definitions: dict[str, Schema] = root.get("$defs", {})

    def resolve(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            rest = {key: one for key, one in schema.items() if key != "$ref"}
            schema = self._definitions[name] | rest
        return schema

    def branches(self, schema: Schema) -> list[Schema]:
        schema = self.resolve(schema)
        return [self.resolve(one) for one in schema.get("anyOf", [schema])]


def _uncovered(
    from_reader: _Reader,
    given: Schema,
    by_reader: _Reader,
    taker: Schema,
    path: str,
    *,
    may_add_fields: bool = False,
) -> Iterator[str]:
    """Yield reasons why a value of *given* might be none of *taker*."""
    takers = by_reader.branches(taker)
    for branch in from_reader.branches(given):
        reasons = [
            list(_of_one(from_reader, branch, by_reader, one, path, may_add_fields))
            for one in takers
        ]
        yield from min(reasons, key=len)


def _of_one(
    from_reader: _Reader,
    given: Schema,
    by_reader: _Reader,
    taker: Schema,
    path: str,
    may_add_fields: bool,
) -> Iterator[str]:
    yield from _values(given, taker, path)
    yield from _bounds(given, taker, path)
    yield from _others(given, taker, path)
    if taker.get("type") != given.get("type"):
        return
    yield from _required(given, taker, path, may_add_fields)
    mine, theirs = given.get("properties", {}), taker.get("properties", {})
    for name, field in mine.items():
        if name in theirs:
            yield from _uncovered(
                from_reader, field, by_reader, theirs[name], f"{path}.{name}"
            )
        elif not may_add_fields and taker.get("additionalProperties") is False:
            yield f"{path}.{name}: only one of the schemas has this field"
    for key in ("additionalProperties", "propertyNames", "items"):
        yield from _parts(from_reader, given, by_reader, taker, path, key)


def _parts(
    from_reader: _Reader,
    given: Schema,
    by_reader: _Reader,
    taker: Schema,
    path: str,
    key: str,
) -> Iterator[str]:
    mine, theirs = given.get(key, True), taker.get(key, True)
    if isinstance(mine, dict) and isinstance(theirs, dict):
        yield from _uncovered(from_reader, mine, by_reader, theirs, f"{path}.*")
    elif mine is not False and mine != theirs and theirs is not True:
        yield f"{path}: {key} differ"


def _values(given: Schema, taker: Schema, path: str) -> Iterator[str]:
    mine, theirs = _enumerated(given), _enumerated(taker)
    if theirs is not None:
        if mine is None:
            yield f"{path}: any value, or one of {_listed(theirs)}"
        elif lost := [one for one in mine if one not in theirs]:
            yield f"{path}: {_listed(lost)} only in one of the schemas"
    types = given.get("type"), taker.get("type")
    if types[0] != types[1] and types != ("integer", "number") and types[1]:
        yield f"{path}: type {types[0]}, or {types[1]}"


def _enumerated(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    found: list[Any] | None = schema.get("enum")
    return found


def _listed(values: list[Any]) -> str:
    return ", ".join(repr(one) for one in values)


def _bounds(given: Schema, taker: Schema, path: str) -> Iterator[str]:
    if _enumerated(given) is not None:
        return
    for name, (exclusive, sign) in BOUNDS.items():
        mine = _bound(given, name, exclusive, sign)
        theirs = _bound(taker, name, exclusive, sign)
        if mine < theirs:
            yield f"{path}: {name} {_told(mine, sign)}, or {_told(theirs, sign)}"


def _bound(schema: Schema, name: str, exclusive: str, sign: int) -> tuple[float, bool]:
    """Return the strictest bound times *sign*, and whether it is itself excluded."""
    return max(
        (sign * schema[name] if name in schema else -math.inf, False),
        (sign * schema[exclusive] if exclusive in schema else -math.inf, True),
    )


def _told(bound: tuple[float, bool], sign: int) -> str:
    value, excluded = bound
    if math.isinf(value):
        return "none"
    return f"{sign * value:g}" + (" (excluded)" if excluded else "")


def _others(given: Schema, taker: Schema, path: str) -> Iterator[str]:
    """Compare the keywords that only equality can answer for, such as a pattern."""
    bounds = {*BOUNDS, *(exclusive for exclusive, _ in BOUNDS.values())}
    for key in sorted(taker.keys() - ANNOTATIONS - STRUCTURE - bounds):
        if given.get(key) != taker[key]:
            yield f"{path}: {key} {given.get(key)!r}, or {taker[key]!r}"


def _required(
    given: Schema, taker: Schema, path: str, may_add_fields: bool
) -> Iterator[str]:
    wanted = taker.get("required", ())
    if may_add_fields:
        for name in taker.get("properties", {}).keys() - given.get("properties", {}):
            yield f"{path}.{name}: is gone"
    for name in wanted:
        if name not in given.get("required", ()) and (
            not may_add_fields or name in given.get("properties", {})
        ):
            yield f"{path}.{name}: is required, and is not always there"
