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

    A column is an array of numbers or truth values, a list of texts, a mapping of such
    columns, or a number or text that all rows share.
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
    numbers = orjson.OPT_SERIALIZE_NUMPY
    # orjson leaves arrays to `tolist` whose values do not lie side by side.
    return orjson.dumps(columns, default=np.ndarray.tolist, option=numbers)


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
            yield key, orjson.dumps(values.tolist())[1:-1].split(b",")
        elif isinstance(values, list):
            # A quote inside a text has a backslash before it: `","` lies between two texts.
            yield key + b'"', orjson.dumps(values)[2:-2].split(b'","')
            yield b'"', None
        else:
            yield key + orjson.dumps(values), None
