"""The body of a request in Arrow to a table, after a look at what it claims.

pyarrow decodes; it is asked only when the stream claims no more than a request may have:
compressed buffers, growing dictionaries and a claim of 2^60 rows are refused unread.
"""

import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ekiben.schemas.base import MAX_ROWS
from ekiben.serving.edge import Refused

NO_STREAM = "The body is not a valid Arrow stream."
COMPRESSED = "Arrow buffers may not be compressed."
DELTA = "A dictionary of the Arrow stream may not grow."
TWICE = "The table names a column twice."
MOST_MESSAGES = 2 * MAX_ROWS
"""Batches and dictionaries of one stream: a client that writes a batch a row needs so many."""

# Places of fields in the flatbuffers of Arrow's format, Message.fbs.
_HEADER = 2
_LENGTH, _COMPRESSION = 0, 3
_DATA, _IS_DELTA = 1, 2

UNDECODABLE = (
    pa.ArrowException,
    ArithmeticError,
    LookupError,
    MemoryError,
    OSError,
    TypeError,
    ValueError,
    struct.error,
)
"""What pyarrow raises for streams that are none."""


class TooManyRows(Exception):
    """The stream claims more rows than a request may have."""

    def __init__(self, rows: int) -> None:
        super().__init__(f"{rows} rows")
        self.rows = rows


def read_table(body: bytes, most_columns: int) -> pa.Table:
    """Return the table of all batches in *body*; its buffers lie in *body*, its values are unchecked.

    Raises:
        Refused: it is no whole stream of uncompressed Arrow batches, names a column
            twice, or has more than *most_columns*.
        TooManyRows: it says so itself.
    """
    try:
        _look_at(body)
        options = pa.ipc.IpcReadOptions(use_threads=False)
        with pa.ipc.open_stream(pa.py_buffer(body), options=options) as reader:
            schema = reader.schema
            names = schema.names
            if len(names) > most_columns:
                raise Refused(
                    "validation_failed", "The table has far too many columns."
                )
            if len(set(names)) != len(names):
                raise Refused("invalid_json", TWICE)
            return pa.Table.from_batches(list(reader), schema)
    except UNDECODABLE:
        raise Refused("invalid_json", NO_STREAM) from None


def _look_at(body: bytes) -> None:
    """Look at the head of every message, and for the mark at the end, without decoding.

    Without the mark nobody could tell a stream from one that was cut off.
    """
    rows = 0
    for count, (kind, metadata) in enumerate(_messages(body)):
        table = Flat.root(metadata).table(_HEADER)
        if kind == "dictionary":
            if table.truth(_IS_DELTA):
                raise Refused("invalid_json", DELTA)
            table = table.table(_DATA)
        elif kind == "record batch":
            rows += table.long(_LENGTH)
        elif kind != "schema" or count:
            raise ValueError(kind)
        if kind != "schema" and table.has(_COMPRESSION):
            raise Refused("invalid_json", COMPRESSED)
        if count > MOST_MESSAGES:
            raise Refused("invalid_json", "The Arrow stream has too many batches.")
    if rows > MAX_ROWS:
        raise TooManyRows(rows)


def _messages(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the kind and metadata of each message, which pyarrow has verified.

    Raises:
        ValueError: the stream does not end with its mark, and there.
    """
    source = pa.BufferReader(body)
    reader = pa.ipc.MessageReader.open_stream(source)
    end = 0
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            break
        yield message.type, message.metadata.to_pybytes()
        end = source.tell()
    mark = body[end:]
    if mark not in (b"\xff\xff\xff\xff\0\0\0\0", b"\0\0\0\0"):
        raise ValueError("no end of stream")


class Flat:
    """A table of a flatbuffer: what Arrow's messages are described in."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    @classmethod
    def root(cls, data: bytes) -> "Flat":
        """Return the outermost table."""
        return cls(data, _number("<I", data, 0))

    def table(self, field: int) -> "Flat":
        """Return the table that *field* points at."""
        at = self._place(field)
        if not at:
            raise ValueError("a field is missing")
        return Flat(self._data, at + _number("<I", self._data, at))

    def has(self, field: int) -> bool:
        """Whether *field* is there."""
        return self._place(field) > 0

    def truth(self, field: int) -> bool:
        """Return a truth value, false where it is not there."""
        at = self._place(field)
        return bool(at and _number("<B", self._data, at))

    def long(self, field: int) -> int:
        """Return a whole number, 0 where it is not there."""
        at = self._place(field)
        found = _number("<q", self._data, at) if at else 0
        if found < 0:
            raise ValueError("a negative length")
        return found

    def _place(self, field: int) -> int:
        """Return where the value of *field* is, 0: nowhere."""
        entries = self._at - _number("<i", self._data, self._at)
        slot = 4 + 2 * field
        if slot + 2 > _number("<H", self._data, entries):
            return 0
        offset = _number("<H", self._data, entries + slot)
        return self._at + offset if offset else 0


def _number(form: str, data: bytes, at: int) -> int:
    if at < 0:
        raise ValueError("before the beginning")
    found: tuple[Any, ...] = struct.unpack_from(form, data, at)
    return int(found[0])
