"""Many rows of a JSON body as columns, without an object a row, where every value is surely right."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ekiben.schemas.base import MAX_ROWS, Row
from ekiben.serving.column_checks import Check, checks_of
from ekiben.use_cases.columns import Column, Columns

LEAST_ROWS = 100
"""Of fewer rows pydantic makes objects in less time; see docs/decisions/hot-path.md."""
SPACES = (b" ", b"\n", b"\r", b"\t")
MANY_FIELDS = 10
"""Of fewer it takes less time to ask every row for each than to see that all have one order."""


@dataclass(frozen=True)
class JsonColumns:
    """Bodies to rows of one kind; None wherever the validator of rows has to decide."""

    row: type[Row]
    checks: Mapping[str, Check] | None

    @classmethod
    def of(cls, row: type[Row]) -> "JsonColumns":
        """Make it for rows of *row*."""
        return cls(row, checks_of(row))

    def read(self, body: bytes) -> Columns | None:
        """Return the rows of *body*; that no field is named twice is not looked at."""
        if self.checks is None:
            return None
        rows = _rows_of(body)
        if rows is None or set(map(len, rows)) != {len(self.checks)}:
            return None
        values: dict[str, Column] = {}
        written = _written(body)
        try:
            columns = _columns_of(rows, self.checks)
            for name, check in self.checks.items():
                kinds = set(map(type, columns[name]))
                found = _taken(check, columns[name], kinds)
                if found is None:
                    return None
                values[name] = found
                if check.kind == "real" and int in kinds:
                    _as_real(rows, name)
                    written = None
        except (KeyError, OverflowError, struct.error):
            return None
        return Columns(self.row, values, rows, written)


def _rows_of(body: bytes) -> list[dict[str, Any]] | None:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(request) is not dict or request.keys() != {"rows"}:
        return None
    rows = request["rows"]
    if type(rows) is not list or not 1 <= len(rows) <= MAX_ROWS:
        return None
    return rows if set(map(type, rows)) == {dict} else None


def _written(body: bytes) -> bytes | None:
    """Return the list of rows as it stands in *body*, None where more stands there."""
    if not body.startswith(b'{"rows":[') or any(one in body for one in SPACES):
        return None
    return body[len(b'{"rows":') : -1]


def _columns_of(
    rows: list[dict[str, Any]], names: Iterable[str]
) -> Mapping[str, Sequence[Any]]:
    """Return the values of each field, at once where all rows have the same order.

    Raises:
        KeyError: a row lacks a field.
    """
    order = list(rows[0])
    if len(order) >= MANY_FIELDS and all(map(order.__eq__, map(list, rows))):
        columns = zip(*map(dict.values, rows), strict=True)
        return dict(zip(order, columns, strict=True))
    return {name: [row[name] for row in rows] for name in names}


def _taken(check: Check, values: Sequence[Any], kinds: set[type]) -> Column | None:
    """Return the checked values of a field, of these *kinds*; a truth value is no number.

    Raises:
        OverflowError, struct.error: a number has more than 64 bits.
    """
    match check.kind:
        case "text":
            return check.take(list(values)) if kinds == {str} else None
        case "truth":
            return check.take(np.array(values, np.bool_)) if kinds == {bool} else None
        case "whole":
            return check.take(_packed("q", values)) if kinds == {int} else None
        case "real":
            if not kinds <= {float, int}:
                return None
            return check.take(_packed("d", values))


def _packed(kind: str, values: Sequence[Any]) -> NDArray[Any]:
    """Return numbers as an array, in a third of the time that numpy takes to make one."""
    return np.frombuffer(struct.pack(f"{len(values)}{kind}", *values), kind)


def _as_real(rows: list[dict[str, Any]], name: str) -> None:
    """Make of whole numbers what the validator makes of them."""
    for row in rows:
        row[name] = float(row[name])
