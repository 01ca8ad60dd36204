"""Many rows of a JSON body as columns, without an object a row, where every value is surely right."""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, starmap
from operator import itemgetter
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ekiben.schemas.base import MAX_ROWS, Row
from ekiben.serving.column_checks import Check, checks_of
from ekiben.use_cases.columns import Column, Columns

LEAST_ROWS = 100
"""Of fewer rows pydantic makes objects in less time; see docs/decisions/hot-path.md."""
SPELLINGS = ((b'{"rows":[', b"},{"), (b'{"rows": [', b"}, {"))
"""How a body begins, and what then stands between two rows: without spaces, and by json.dumps."""
PIECE_BYTES = 50_000
"""Objects of so much JSON are still in the processor's cache when their values are taken."""
LONG_BODY = 50_000
"""Shorter ones are looked through before numpy, whose code is cold by then, has begun."""
MANY_FIELDS = 10
"""Of fewer it takes less time to ask every row for each than to go row by row."""

Checks = Mapping[str, Check]
Fields = list[dict[str, Any]]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class JsonColumns:
    """Bodies to rows of one kind; None wherever the validator of rows has to decide."""

    row: type[Row]
    checks: Checks | None
    all_real: bool

    @classmethod
    def of(cls, row: type[Row]) -> "JsonColumns":
        """Make it for rows of *row*."""
        checks = checks_of(row)
        return cls(row, checks, checks is not None and _all_real(checks))

    def read(self, body: bytes, colons: int) -> Columns | None:
        """Return the rows of *body*, which has so many *colons*.

        That no field is named twice is not looked at.
        """
        if self.checks is None:
            return None
        dotted = self.all_real and colons == 1 + count_of(b".", body)
        try:
            if dotted and len(self.checks) >= MANY_FIELDS:
                table = _table(pieces_of(body), self.checks, colons)
                if table is not None:
                    return self._of_table(table, self.checks)
            rows = _rows_of(body)
            if rows is None or not _are_rows(rows, self.checks):
                return None
            dotted = dotted and colons == 1 + len(rows) * len(self.checks)
            return self._of_rows(rows, self.checks, dotted=dotted)
        except (KeyError, OverflowError, struct.error):
            return None

    def _of_table(self, table: Floats, checks: Checks) -> Columns | None:
        values: dict[str, Column] = {}
        for (name, check), numbers in zip(checks.items(), table, strict=True):
            # What is read from JSON is finite.
            found = check.take(numbers) if check.bounded else numbers
            if found is None:
                return None
            values[name] = found
        return Columns(self.row, values)

    def _of_rows(self, rows: Fields, checks: Checks, *, dotted: bool) -> Columns | None:
        values: dict[str, Column] = {}
        columns = _columns_of(rows, checks)
        for (name, check), column in zip(checks.items(), columns, strict=True):
            kinds: set[type] = {float} if dotted else set(map(type, column))
            found = _taken(check, column, kinds)
            if found is None:
                return None
            values[name] = found
        return Columns(self.row, values)


def count_of(one: bytes, body: bytes) -> int:
    """Return how often the byte *one* is in a long *body*, in an eighth of bytes.count's time."""
    if len(body) < LONG_BODY:
        return body.count(one)
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord(one)))


def _all_real(checks: Checks) -> bool:
    """Whether all fields are real numbers, and no name has a dot.

    A number has one dot at most, and every field of a row a colon. So where the fields of
    all rows are as many as the colons of their list, and as the dots, each has a number
    with a dot: none is whole or a truth value, and none of their types need be looked at.
    """
    return all(one.kind == "real" and "." not in name for name, one in checks.items())


def pieces_of(body: bytes) -> Iterator[list[Any]]:
    """Yield the rows of *body*, some at a time; none if it is spelt in an unusual way.

    Their list may be cut at a comma inside a text or an object: then a piece is no list in
    JSON. Where all pieces are, so is the whole, as nothing but commas stands between them.

    Raises:
        orjson.JSONDecodeError: a piece is no JSON; the whole may be.
    """
    for begin, between in SPELLINGS:
        if body.startswith(begin) and body.endswith(b"]}"):
            start, end = len(begin), len(body) - 2
            while (cut := body.find(between, start + PIECE_BYTES, end)) != -1:
                yield orjson.loads(b"[%b]" % body[start : cut + 1])
                start = cut + len(between) - 1
            yield orjson.loads(b"[%b]" % body[start:end])


def _table(pieces: Iterable[list[Any]], names: Checks, colons: int) -> Floats | None:
    """Return the numbers of all rows, a line for each field.

    None: it is not as `_all_real` asks, or a piece is no list of rows.

    Raises:
        KeyError, OverflowError, struct.error: a field is missing, or is no number.
    """
    if colons > 1 + MAX_ROWS * len(names):
        return None
    pack = struct.Struct(f"{len(names)}d").pack
    packed: list[bytes] = []
    try:
        for rows in pieces:
            if not _are_rows(rows, names):
                return None
            pick = itemgetter(*_keys(rows[0], names))
            packed.append(b"".join(starmap(pack, map(pick, rows))))
    except orjson.JSONDecodeError:
        return None
    numbers = np.frombuffer(b"".join(packed))
    if colons != 1 + len(numbers):
        return None
    table = np.ascontiguousarray(numbers.reshape(-1, len(names)).T)
    table.flags.writeable = False
    return table


def _are_rows(rows: Sequence[Any], names: Checks) -> bool:
    """Whether all of *rows* are objects with as many fields as there are *names*."""
    return set(map(type, rows)) == {dict} and set(map(len, rows)) == {len(names)}


def _keys(row: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return *names* as the strings that *row* has them in.

    A parser gives all rows the same strings, and to look for the very string that is there
    takes half the time.

    Raises:
        KeyError: the row lacks a field.
    """
    own = {key: key for key in row}
    return [own[name] for name in names]


def _columns_of(rows: Fields, names: Checks) -> Sequence[list[Any]]:
    """Return the values of each field.

    Raises:
        KeyError: a row lacks a field.
    """
    keys = _keys(rows[0], names)
    if len(keys) < MANY_FIELDS:
        return [[row[key] for row in rows] for key in keys]
    values = list(chain.from_iterable(map(itemgetter(*keys), rows)))
    return [values[place :: len(keys)] for place in range(len(keys))]


def _rows_of(body: bytes) -> Fields | None:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(request) is not dict or request.keys() != {"rows"}:
        return None
    rows = request["rows"]
    if type(rows) is not list or not 1 <= len(rows) <= MAX_ROWS:
        return None
    return rows


def _taken(check: Check, values: list[Any], kinds: set[type]) -> Column | None:
    """Return the checked values of a field, of these *kinds*; a truth value is no number.

    Raises:
        OverflowError, struct.error: a number has more than 64 bits.
    """
    match check.kind:
        case "text":
            return check.take(values) if kinds == {str} else None
        case "truth":
            return check.take(np.array(values, np.bool_)) if kinds == {bool} else None
        case "whole":
            return check.take(_packed("q", values)) if kinds == {int} else None
        case "real":
            if not kinds <= {float, int}:
                return None
            return check.take(_packed("d", values))


def _packed(kind: str, values: Sequence[Any]) -> NDArray[Any]:
    """Return numbers as an array, in a third of the time that numpy takes to make one."""
    return np.frombuffer(struct.pack(f"{len(values)}{kind}", *values), kind)
