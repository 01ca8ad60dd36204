"""Many rows of a JSON body as columns, without an object a row, where every value is surely right."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from ekiben.schemas.base import MAX_ROWS, Row
from ekiben.serving.column_checks import Check, checks_of
from ekiben.use_cases.columns import Column, Columns

LEAST_ROWS = 100
"""Of fewer rows pydantic makes objects in less time; see docs/decisions/hot-path.md."""


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
        try:
            for name, check in self.checks.items():
                found = _taken(check, rows, name)
                if found is None:
                    return None
                values[name] = found
        except (KeyError, OverflowError):
            return None
        return Columns(self.row, values, rows)


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


def _taken(check: Check, rows: list[dict[str, Any]], name: str) -> Column | None:
    """Return the checked values of a field; a truth value is no number, nor is a text.

    Whole numbers of a real field become what the validator makes of them, in *rows* too.
    """
    values = [row[name] for row in rows]
    kinds = set(map(type, values))
    match check.kind:
        case "text":
            return check.take(values) if kinds == {str} else None
        case "truth":
            return check.take(np.array(values, np.bool_)) if kinds == {bool} else None
        case "whole":
            return check.take(np.array(values, np.int64)) if kinds == {int} else None
        case "real":
            if not kinds <= {float, int}:
                return None
            if int in kinds:
                for row in rows:
                    row[name] = float(row[name])
            return check.take(np.array(values, np.float64))
