"""Predictions to an Arrow stream: the fields of the JSON answer, a column each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import numpy as np
import orjson
import pyarrow as pa

from ekiben.schemas.base import Prediction
from ekiben.use_cases.use_case import Fields

TYPES: Mapping[Any, pa.DataType] = {
    float: pa.float64(),
    int: pa.int64(),
    bool: pa.bool_(),
    str: pa.string(),
}


@dataclass(frozen=True)
class Column:
    """One column of the answer, and what is in it of the fields of a prediction."""

    name: str
    type: pa.DataType
    value: Callable[[Fields], Any]


@dataclass(frozen=True)
class ArrowAnswers:
    """The answers of one use case as a stream of one batch.

    The columns are the fields of *prediction*; `probabilities` of classes become a column
    a class, `probabilities.setosa`, the names that `Table.flatten` gives.
    """

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, prediction: type[Prediction]) -> "ArrowAnswers":
        """Make it for answers of *prediction*."""
        return cls(tuple(_columns(prediction)))

    def encode(self, answers: Sequence[Fields], tag: str) -> bytes:
        """Return the stream; its schema's metadata names the version *tag* as `model`."""
        fields = [pa.field(one.name, one.type, nullable=False) for one in self.columns]
        schema = pa.schema(fields, metadata={"model": tag})
        arrays = [
            array(one.type, list(map(one.value, answers))) for one in self.columns
        ]
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_batch(pa.record_batch(arrays, schema=schema))
        stream: bytes = sink.getvalue().to_pybytes()
        return stream


def array(kind: pa.DataType, values: Sequence[Any]) -> pa.Array:
    """Return *values*, of which none is missing, as an array of *kind*, one of TYPES.

    Not by `pa.array`: that imports pandas, which a server does without.
    """
    count = len(values)
    if pa.types.is_string(kind):
        texts = [one.encode() for one in values]
        ends = np.zeros(count + 1, dtype=np.int32)
        np.cumsum(np.fromiter(map(len, texts), np.int32, count), out=ends[1:])
        buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    elif pa.types.is_boolean(kind):
        bits = np.packbits(np.array(values, dtype=np.bool_), bitorder="little")
        buffers = [None, pa.py_buffer(bits)]
    else:
        form = np.int64 if pa.types.is_integer(kind) else np.float64
        buffers = [None, pa.py_buffer(np.array(values, dtype=form))]
    return pa.Array.from_buffers(kind, count, buffers)


def _columns(prediction: type[Prediction]) -> Iterator[Column]:
    for name, field in prediction.model_fields.items():
        kind = field.annotation
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        if all(isinstance(one, str) for one in choices) and choices:
            yield Column(name, pa.string(), _field(name))
        elif kind in TYPES:
            yield Column(name, TYPES[kind], _field(name))
        elif classes := _classes(kind):
            for one in classes:
                yield Column(f"{name}.{one}", pa.float64(), _field(name, one))
        else:
            yield Column(name, pa.string(), _as_json(name))


def _classes(kind: Any) -> tuple[str, ...]:
    """Return the classes of `dict[Literal[...], float]`, of another type none."""
    if get_origin(kind) is not dict:
        return ()
    key, value = get_args(kind)
    known = get_args(key) if get_origin(key) is Literal else ()
    return known if _bare(value) is float else ()


def _bare(kind: Any) -> Any:
    """Return what is annotated, without its bounds."""
    return getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind


def _field(*path: str) -> Callable[[Fields], Any]:
    if len(path) == 1:
        (name,) = path
        return lambda fields: fields[name]
    outer, inner = path
    return lambda fields: fields[outer][inner]


def _as_json(name: str) -> Callable[[Fields], Any]:
    """Give what has no column of its own as JSON, as the export of the log does."""
    return lambda fields: orjson.dumps(fields[name]).decode()
