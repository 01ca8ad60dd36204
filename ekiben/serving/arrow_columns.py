"""One column of an Arrow table to values, as far as its type is one that a row's field has."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ekiben.serving.edge import too_large

types = pa.types


def is_text(kind: pa.DataType) -> bool:
    """Whether values of *kind* are texts as they are."""
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
    )


def is_texts(kind: pa.DataType) -> bool:
    """Whether a column of *kind* holds texts, each in its place or in a dictionary."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    return is_text(kind)


def is_plain(field: pa.Field) -> bool:
    """Whether the values of *field* have a form in JSON; of extension types nobody knows."""
    kind = field.type
    if b"ARROW:extension:name" in (field.metadata or {}):
        return False
    return (
        is_texts(kind)
        or types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
    )


def check(column: pa.ChunkedArray) -> None:
    """Check every offset, index and text of *column*; nothing else may touch it before.

    Raises:
        pa.ArrowInvalid: it points outside of its buffers, or holds a text that is no UTF-8.
    """
    column.validate(full=True)
    if types.is_dictionary(column.type):
        for chunk in column.chunks:
            chunk.dictionary.validate(full=True)


def numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return the numbers or truth values of *column*, which has no nulls, in memory of their own.

    Not by pyarrow's `to_numpy`: that imports pandas, which a server does without.
    """
    view = _truths if types.is_boolean(column.type) else np.from_dlpack
    # Copied: what is logged later would keep the whole body in memory.
    return np.concatenate([view(chunk) for chunk in column.chunks if len(chunk)])


def _truths(chunk: pa.BooleanArray) -> NDArray[np.bool_]:
    """Return the truth values of *chunk*, which holds eight in a byte."""
    packed = np.frombuffer(chunk.buffers()[1], dtype=np.uint8)
    end = chunk.offset + len(chunk)
    bits = np.unpackbits(packed, count=end, bitorder="little")
    return bits[chunk.offset :].astype(np.bool_)


def texts(column: pa.ChunkedArray, most: int) -> list[str | None]:
    """Return the texts of *column*.

    Raises:
        Refused: they are longer than a body of *most* bytes: one text of a dictionary
            can stand in a thousand rows.
    """
    found: list[str | None] = []
    for chunk in column.chunks:
        found += _texts_of(chunk, most)
    if sum(map(len, filter(None, found))) > most:
        raise too_large(most)
    return found


def _texts_of(chunk: pa.Array, most: int) -> list[str | None]:
    """Return the texts of *chunk*, one object for all that a dictionary has once."""
    if types.is_dictionary(chunk.type):
        known = _texts_of(chunk.dictionary, most)
        places = chunk.indices.to_pylist()
        return [None if place is None else known[place] for place in places]
    if types.is_string_view(chunk.type) and _view_bytes(chunk) > most:
        raise too_large(most)
    found: list[str | None] = chunk.to_pylist()
    return found


def _view_bytes(chunk: pa.Array) -> int:
    """Return how many bytes the texts of *chunk* have: views of one text may be many.

    Each view is 16 bytes long and begins with its text's length.
    """
    views = np.frombuffer(chunk.buffers()[1], dtype=np.int32)[::4]
    lengths = views[chunk.offset : chunk.offset + len(chunk)]
    return int(np.maximum(lengths, 0).sum(dtype=np.int64))
