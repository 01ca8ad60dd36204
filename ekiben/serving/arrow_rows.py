"""Rows out of an Arrow table: by column where all is as it should be, else as JSON has them.

Whatever the checks of columns do not know for good becomes JSON, which the validator of
JSON requests accepts or refuses, so that both forms take the same and refuse it in the
same words.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from ekiben.schemas.base import MAX_ROWS, PredictRequest, Row
from ekiben.serving import arrow_columns
from ekiben.serving.arrow_stream import NO_STREAM, TooManyRows, read_table
from ekiben.serving.column_checks import Check, checks_of
from ekiben.serving.edge import InvalidRequest, Refused
from ekiben.use_cases.columns import Column, Columns

_UNTAKEN: list[Any] = []
"""Stands for a value that has no form in JSON: no scalar field takes a list."""


@dataclass(frozen=True)
class ArrowRows:
    """Bodies in Arrow to rows of one kind; *most_bytes* of text may one table have."""

    row: type[Row]
    most_columns: int
    most_bytes: int
    validate: Callable[[bytes], Any]
    checks: Mapping[str, Check] | None

    @classmethod
    def of(cls, row: type[Row], *, unknown: int, most_bytes: int) -> "ArrowRows":
        """Make it for rows of *row*, with so many *unknown* columns at most."""
        request = PredictRequest[row]  # type: ignore[valid-type]
        return cls(
            row,
            len(row.model_fields) + unknown,
            most_bytes,
            request.__pydantic_validator__.validate_json,
            checks_of(row),
        )

    def read(self, body: bytes) -> pa.Table:
        """Return the table of *body*, of 1 to 1,000 rows.

        Raises:
            Refused: it is no table, or one that cannot be rows.
            InvalidRequest: it has another number of rows.
        """
        try:
            table = read_table(body, self.most_columns)
            rows = table.num_rows
        except TooManyRows as error:
            rows = error.rows
        if not 1 <= rows <= MAX_ROWS:
            raise InvalidRequest(row_count_error(rows))
        try:
            for column, field in zip(table.columns, table.schema, strict=True):
                if arrow_columns.is_plain(field):
                    arrow_columns.check(column)
        except pa.ArrowException:
            raise Refused("invalid_json", NO_STREAM) from None
        return table

    def columns(self, table: pa.Table) -> Columns | None:
        """Return the rows of *table* where every value is surely right, else None.

        Raises:
            Refused: its texts are longer than a body may be.
        """
        checks = self.checks
        if checks is None or len(table.column_names) != len(checks):
            return None
        values: dict[str, Column] = {}
        for name, check in checks.items():
            place = table.schema.get_field_index(name)
            if place < 0 or not arrow_columns.is_plain(table.schema.field(place)):
                return None
            column = table.column(place)
            if column.null_count or not _fits(column.type, check):
                return None
            found = check.take(
                arrow_columns.texts(column, self.most_bytes)
                if check.kind == "text"
                else arrow_columns.numbers(column)
            )
            if found is None:
                return None
            values[name] = found
        return Columns(self.row, values)

    def rows(self, table: pa.Table) -> Sequence[Row]:
        """Return the rows of *table* as the validator of JSON requests makes them.

        Raises:
            InvalidRequest: it refuses a row; each error names row and column.
            Refused: its texts are longer than a body may be.
        """
        try:
            request = self.validate(self.as_json(table))
        except ValidationError as error:
            raise InvalidRequest(error) from None
        rows: Sequence[Row] = request.rows
        return rows

    def as_json(self, table: pa.Table) -> bytes:
        """Return the body of the same request in JSON.

        Raises:
            Refused: its texts are longer than a body may be.
        """
        names = table.column_names
        columns = [
            self._plain(column, field)
            for column, field in zip(table.columns, table.schema, strict=True)
        ]
        each = zip(*columns, strict=True) if columns else [()] * table.num_rows
        rows = [dict(zip(names, values, strict=True)) for values in each]
        # NaN and infinity are written as the validator reads them, to refuse them by name.
        return json.dumps({"rows": rows}).encode()

    def _plain(self, column: pa.ChunkedArray, field: pa.Field) -> Sequence[Any]:
        if not arrow_columns.is_plain(field):
            return [_UNTAKEN] * len(column)
        if arrow_columns.is_texts(field.type):
            return arrow_columns.texts(column, self.most_bytes)
        values: list[Any] = column.to_pylist()
        return values


def row_count_error(rows: int) -> ValidationError:
    """Return what pydantic says of a request with *rows* rows, 0 or too many."""
    kind, bound = ("too_long", "max_length") if rows else ("too_short", "min_length")
    limit = MAX_ROWS if rows else 1
    told = {"field_type": "List", bound: limit, "actual_length": rows}
    error = InitErrorDetails(type=kind, loc=("rows",), input=None, ctx=told)
    return ValidationError.from_exception_data("PredictRequest", [error])


def _fits(kind: pa.DataType, check: Check) -> bool:
    """Whether values of an Arrow type are of the kind that *check* takes."""
    types = pa.types
    match check.kind:
        case "text":
            return arrow_columns.is_texts(kind)
        case "truth":
            return bool(types.is_boolean(kind))
        case "whole":
            return bool(types.is_integer(kind))
        case "real":
            return bool(types.is_integer(kind) or types.is_floating(kind))
