"""Predictions to an Arrow stream: the fields of the JSON answer, a column each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal, get_args, get_origin

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from ekiben.schemas.base import Prediction
from ekiben.use_cases.answers import Answers, Fields

TYPES: Mapping[Any, pa.DataType] = {
    float: pa.float64(),
    int: pa.int64(),
    bool: pa.bool_(),
    str: pa.string(),
}


Values = NDArray[Any] | list[Any]


@dataclass(frozen=True)
class Column:
    """One column of the answer: what a prediction has under *path*, if need be as JSON."""

    path: tuple[str, ...]
    type: pa.DataType
    as_json: bool = False

    @property
    def name(self) -> str:
        """The column's name."""
        return ".".join(self.path)

    def values(self, answers: Sequence[Fields]) -> Values:
        """Return what each of *answers* has there."""
        found: Iterable[Any] = answers
        if isinstance(answers, Answers):
            found = answers.column(*self.path)
        else:
            for name in self.path:
                found = map(itemgetter(name), found)
        if self.as_json:
            return [orjson.dumps(one).decode() for one in found]
        return found if isinstance(found, np.ndarray | list) else list(found)


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
        arrays = [array(one.type, one.values(answers)) for one in self.columns]
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_batch(pa.record_batch(arrays, schema=schema))
        stream: bytes = sink.getvalue().to_pybytes()
        return stream


def array(kind: pa.DataType, values: Values) -> pa.Array:
    """Return *values*, of which none is missing, as an array of *kind*, one of TYPES.

    Not by `pa.array`: that imports pandas, which a server does without.
    """
    count = len(values)
    if pa.types.is_string(kind):
        data = "".join(values).encode()
        lengths = np.fromiter(map(len, values), np.int32, count)
        if lengths.sum() != len(data):  # not all of it is ASCII
            lengths = np.array([len(one.encode()) for one in values], dtype=np.int32)
        ends = np.zeros(count + 1, dtype=np.int32)
        lengths.cumsum(out=ends[1:])
        buffers = [None, pa.py_buffer(ends), pa.py_buffer(data)]
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
        if choices and all(isinstance(one, str) for one in choices):
            kind = str
        if kind in TYPES:
            yield Column((name,), TYPES[kind])
        elif classes := _classes(kind):
            for one in classes:
                yield Column((name, one), pa.float64())
        else:
            # As the export of the log does.
            yield Column((name,), pa.string(), as_json=True)


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
