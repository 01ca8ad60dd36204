"""Rows out of an Arrow table: by column where all is as it should be, else as JSON has them.

A column is looked at as a whole, with numpy, or by pydantic where it holds texts. That look
only ever says yes: whatever it does not know for good becomes JSON, which the validator of
JSON requests accepts or refuses, so that both forms take the same and refuse it in the
same words.
"""

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
import pyarrow as pa
from annotated_types import Ge, Gt, Le, Lt
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails

from ekiben.schemas.base import MAX_ROWS, Personal, PredictRequest, Row
from ekiben.serving import arrow_columns
from ekiben.serving.arrow_stream import NO_STREAM, TooManyRows, read_table
from ekiben.serving.edge import InvalidRequest, Refused
from ekiben.use_cases.columns import Column, Columns

Take = Callable[[pa.ChunkedArray], Column | None]
"""A checked column without nulls to its values; None: pydantic has to look at each."""

_UNTAKEN: list[Any] = []
"""Stands for a value that has no form in JSON: no scalar field takes a list."""
_DESCRIPTION = frozenset(["json_schema_extra", "title"])
"""What a row's configuration may say without a change to what it accepts."""


@dataclass(frozen=True)
class ArrowRows:
    """Bodies in Arrow to rows of one kind; *most_bytes* of text may one table have."""

    row: type[Row]
    most_columns: int
    most_bytes: int
    validate: Callable[[bytes], Any]
    takes: Mapping[str, Take] | None

    @classmethod
    def of(cls, row: type[Row], *, unknown: int, most_bytes: int) -> "ArrowRows":
        """Make it for rows of *row*, with so many *unknown* columns at most."""
        request = PredictRequest[row]  # type: ignore[valid-type]
        return cls(
            row,
            len(row.model_fields) + unknown,
            most_bytes,
            request.__pydantic_validator__.validate_json,
            takes_of(row, most_bytes),
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
        takes = self.takes
        if takes is None or len(table.column_names) != len(takes):
            return None
        values: dict[str, Column] = {}
        for name, take in takes.items():
            place = table.schema.get_field_index(name)
            if place < 0 or not arrow_columns.is_plain(table.schema.field(place)):
                return None
            column = table.column(place)
            found = None if column.null_count else take(column)
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


def takes_of(row: type[Row], most_bytes: int) -> Mapping[str, Take] | None:
    """Return how the column of each field is taken; None: *row* is not checked by field."""
    if _has_own_checks(row):
        return None
    found: dict[str, Take] = {}
    for name, field in row.model_fields.items():
        take = _take_of(field, most_bytes)
        if take is None:
            return None
        found[name] = take
    return found


def _has_own_checks(row: type[Row]) -> bool:
    """Whether more is asked of a row than each of its fields says."""
    told = row.__pydantic_decorators__
    own = {k: v for k, v in row.model_config.items() if k not in _DESCRIPTION}
    return bool(
        told.validators
        or told.field_validators
        or told.root_validators
        or told.model_validators
        or row.__pydantic_post_init__
        or row.__pydantic_custom_init__
        or own != Row.model_config
    )


def _take_of(field: FieldInfo, most_bytes: int) -> Take | None:
    """Return how a column is taken for *field*; None: only with the whole row."""
    if not field.is_required() or field.validation_alias or field.alias:
        return None
    kind = field.annotation
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    if kind is str or (choices and all(isinstance(one, str) for one in choices)):
        return _text_take(field, most_bytes)
    bounds = _bounds(field.metadata)
    if kind is bool and bounds == []:
        return _truths
    if bounds is None or kind not in (int, float):
        return None
    return _number_take(bounds, whole=kind is int)


Bound = tuple[Callable[[Any, Any], Any], Any]


def _bounds(metadata: Sequence[Any]) -> list[Bound] | None:
    """Return the bounds that *metadata* state; None: they state something else."""
    found: list[Bound] = []
    for one in metadata:
        match one:
            case Ge():
                found.append((operator.ge, one.ge))
            case Gt():
                found.append((operator.gt, one.gt))
            case Le():
                found.append((operator.le, one.le))
            case Lt():
                found.append((operator.lt, one.lt))
            case Personal():
                pass
            case _:
                return None
    return found


def _number_take(bounds: Sequence[Bound], *, whole: bool) -> Take:
    fits = pa.types.is_integer if whole else _is_number

    def take(column: pa.ChunkedArray) -> NDArray[Any] | None:
        if not fits(column.type):
            return None
        given = arrow_columns.numbers(column)
        values = given.astype(np.int64 if whole else np.float64, copy=False)
        if whole and (values < 0).any() and given.dtype.kind == "u":
            return None  # beyond 64 bits with a sign
        right = np.isfinite(values).all() and all(
            holds(values, limit).all() for holds, limit in bounds
        )
        return values if right else None

    return take


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _truths(column: pa.ChunkedArray) -> NDArray[Any] | None:
    is_truth = pa.types.is_boolean(column.type)
    return arrow_columns.numbers(column) if is_truth else None


def _text_take(field: FieldInfo, most_bytes: int) -> Take:
    """Let pydantic look at the column as a list: the same code as for a row, in one call."""
    one = field.annotation
    for rule in field.metadata:
        one = Annotated[one, rule]  # type: ignore[assignment]
    adapter: TypeAdapter[list[str]] = TypeAdapter(
        list[one],  # type: ignore[valid-type]
        config=ConfigDict(strict=True),
    )

    def take(column: pa.ChunkedArray) -> list[str] | None:
        if not arrow_columns.is_texts(column.type):
            return None
        try:
            return adapter.validate_python(arrow_columns.texts(column, most_bytes))
        except ValidationError:
            return None

    return take
