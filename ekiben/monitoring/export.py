"""Logged predictions as a Parquet file, one column a field, typed by the use case's schemas."""

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

from pydantic import BaseModel

from ekiben.errors import ExportRefused
from ekiben.monitoring.records import Logged, Observed
from ekiben.monitoring.store import PredictionStore
from ekiben.use_cases.use_case import UseCase

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 10_000
"""Rows that are written, and held in memory, at a time."""
OWN = ("prediction_id", "tag", "at", "batch_rows", "seconds", "request_id", "caller")
STAMPED = ("prediction_id", "model")


def export(
    store: PredictionStore,
    use_case: UseCase,
    file: Path,
    *,
    since: datetime,
    until: datetime,
    tag: str | None = None,
    force: bool = False,
    progress: Callable[[int], None] = lambda rows: None,
) -> int:
    """Write what was answered from *since* on and before *until*; return how many rows.

    The file appears when it is whole. *progress* is told of rows as they are written.

    Raises:
        ExportRefused: the file is there and *force* is not given, or cannot be written.
        LogUnavailable: the log cannot be read.
    """
    if file.exists() and not force:
        raise ExportRefused(file, "is there already; --force overwrites it")
    part = file.with_name(f".{file.name}.part-{os.getpid()}")
    found = store.read(use_case.name, since=since, until=until, tag=tag)
    try:
        rows = _write(part, schema_of(use_case), found, progress)
        part.replace(file)
    except OSError as error:
        raise ExportRefused(
            file, f"cannot be written: {os.strerror(error.errno or errno.EIO)}"
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return rows


def schema_of(use_case: UseCase) -> "pa.Schema":
    """Return the columns: our own, `row_` and the row's fields, `answer_` and the answer's."""
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    own = {"at": moment, "batch_rows": pa.int32(), "seconds": pa.float64()}
    columns = [(name, own.get(name, pa.string())) for name in OWN]
    columns += _columns("row_", use_case.row)
    columns += _columns("answer_", use_case.prediction)
    columns += [("label", pa.string()), ("observed_at", moment)]
    return pa.schema([*columns, ("received_at", moment)])


def _columns(
    prefix: str, model: type[BaseModel]
) -> Iterator[tuple[str, "pa.DataType"]]:
    for name, field in model.model_fields.items():
        if name not in STAMPED:
            yield prefix + name, _type_of(field.annotation)


def _type_of(annotation: Any) -> "pa.DataType":
    """Return the type of a field; what is no number or truth value is text, or JSON."""
    import pyarrow as pa

    known = {float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    return known.get(get_origin(annotation) or annotation, pa.string())


def _write(
    part: Path,
    schema: "pa.Schema",
    found: Iterator[tuple[Logged, Observed | None]],
    progress: Callable[[int], None],
) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 0
    open_writer: Any = pq.ParquetWriter  # it ships no types
    with open_writer(part, schema, compression="zstd") as writer:
        while group := list(islice(found, GROUP_ROWS)):
            flat = [_flat(logged, truth) for logged, truth in group]
            arrays = [_array(column, flat) for column in schema]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows += len(group)
            progress(len(group))
    return rows


def _flat(logged: Logged, truth: Observed | None) -> dict[str, Any]:
    own = {name: getattr(logged, name) for name in OWN}
    row = {f"row_{name}": value for name, value in logged.row.items()}
    answer = {f"answer_{name}": value for name, value in logged.answer.items()}
    known = {}
    if truth is not None:
        known = {
            "label": json.dumps(truth.label),
            "observed_at": truth.observed_at,
            "received_at": truth.received_at,
        }
    return own | row | answer | known


def _array(column: Any, rows: Iterable[dict[str, Any]]) -> "pa.Array":
    import pyarrow as pa

    fits: Callable[[Any], Any] = _FITS.get(str(column.type), _as_text)
    return pa.array([fits(row.get(column.name)) for row in rows], type=column.type)


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _number(value: Any) -> float | None:
    # A hash stands where a personal number was.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def _integer(value: Any) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number else None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _moment(value: Any) -> datetime | None:
    return value.astimezone(UTC) if isinstance(value, datetime) else None


_FITS: dict[str, Callable[[Any], Any]] = {
    "double": _number,
    "int64": _integer,
    "int32": _integer,
    "bool": _truth,
    "timestamp[us, tz=UTC]": _moment,
}
