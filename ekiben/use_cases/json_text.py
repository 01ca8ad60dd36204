"""Columns to the JSON of a list of objects, without an object a row.

orjson writes the numbers and texts of a column at once, so that every byte is what it
would make of the rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson


def written(columns: Mapping[str, Any], rows: int) -> bytes:
    """Return so many *rows* in JSON, each an object of what *columns* have at its place.

    A column is an array of numbers or truth values, a list, best of texts, a mapping of
    such columns, or a number or text that all rows share.
    """
    fixed = b"{"
    pieces: list[tuple[bytes, Sequence[bytes]]] = []
    for before, values in _values(columns):
        fixed += before
        if values is not None:
            pieces.append((fixed, values))
            fixed = b""
    end = fixed + b"}"
    if not pieces or not rows:
        return b"[%b]" % b",".join([end] * rows)
    width = 2 * len(pieces)
    parts = [b""] * (width * rows)
    for place, (before, values) in enumerate(pieces):
        parts[2 * place :: width] = [before] * rows
        parts[2 * place + 1 :: width] = values
    first = pieces[0][0]
    parts[::width] = [b"%b,%b" % (end, first)] * rows
    parts[0] = b"[" + first
    return b"".join((*parts, end, b"]"))


def as_text(columns: Mapping[str, Any]) -> bytes:
    """Return *columns* in JSON as they are, an object of lists: what `written` takes."""
    return _dumped(_plain(columns))


def _dumped(values: Any) -> bytes:
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)


def _plain(values: Any) -> Any:
    """Return *values* with arrays that orjson writes as it would a list of theirs."""
    if isinstance(values, Mapping):
        return {name: _plain(one) for name, one in values.items()}
    if isinstance(values, np.ndarray):
        # It has fewer digits for a number of single precision.
        return np.ascontiguousarray(values, float if values.dtype.kind == "f" else None)
    return values


def _values(
    columns: Mapping[str, Any],
) -> Iterator[tuple[bytes, Sequence[bytes] | None]]:
    """Yield what stands before each column, and its values; None: none that vary follow."""
    comma = b""
    for name, values in columns.items():
        key = comma + orjson.dumps(name) + b":"
        comma = b","
        if isinstance(values, Mapping):
            yield key + b"{", None
            yield from _values(values)
            yield b"}", None
        elif isinstance(values, np.ndarray):
            yield key, _dumped(_plain(values))[1:-1].split(b",")
        elif not isinstance(values, list):
            yield key + _dumped(values), None
        elif set(map(type, values)) == {str}:
            # A quote inside a text has a backslash before it: `","` lies between two texts.
            yield key + b'"', orjson.dumps(values)[2:-2].split(b'","')
            yield b'"', None
        else:
            yield key, list(map(_dumped, values))
