"""Many rows of a JSON body as columns, where every value is surely right.

msgspec reads the types of the fields while it parses: what it takes has all fields and no
other, and of a wrong type nothing. Bounds are looked at by column.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, starmap
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from ekiben.schemas.base import MAX_ROWS, Row
from ekiben.serving.column_checks import Check, Kind, checks_of
from ekiben.use_cases.columns import Column, Columns

LEAST_ROWS = 100
"""Of fewer rows pydantic makes objects in less time; see docs/decisions/hot-path.md."""
LONG_BODY = 50_000
"""Shorter ones are looked through before numpy, whose code is cold by then, has begun."""
TYPES: Mapping[Kind, type] = {"text": str, "truth": bool, "whole": int, "real": float}

Checks = Mapping[str, Check]


@dataclass(frozen=True)
class JsonColumns:
    """Bodies to rows of one kind; None wherever the validator of rows has to decide."""

    row: type[Row]
    checks: Checks
    decode: Callable[[bytes], Any] | None

    @classmethod
    def of(cls, row: type[Row]) -> "JsonColumns":
        """Make it for rows of *row*."""
        checks = checks_of(row)
        return cls(row, checks or {}, _decoder(checks) if checks else None)

    def read(self, body: bytes) -> Columns | None:
        """Return the rows of *body*. That no field is named twice is not looked at."""
        if self.decode is None:
            return None
        try:
            rows = self.decode(body).rows
            if not 1 <= len(rows) <= MAX_ROWS:
                return None
            values = self._taken(rows)
        except (msgspec.DecodeError, UnicodeDecodeError, struct.error):
            return None
        return Columns(self.row, values) if values else None

    def _taken(self, rows: Sequence[msgspec.Struct]) -> dict[str, Column] | None:
        """Return the checked columns of *rows*; None: a value is not right.

        Raises:
            struct.error: a whole number has more than 64 bits.
        """
        taken: dict[str, Column] = {}
        columns = _columns(rows, [one.kind for one in self.checks.values()])
        for (name, check), values in zip(self.checks.items(), columns, strict=True):
            # A real number that JSON was read to is finite: without bounds it is right.
            right = check.kind == "real" and not check.bounded
            found = values if right else check.take(values)
            if found is None:
                return None
            taken[name] = found
        return taken


def count_of(one: bytes, body: bytes) -> int:
    """Return how often the byte *one* is in a long *body*, in an eighth of bytes.count's time."""
    if len(body) < LONG_BODY:
        return body.count(one)
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord(one)))


def _decoder(checks: Checks) -> Callable[[bytes], Any]:
    """Return what reads a body to its `rows`, an object each with values in the order of *checks*."""
    fields = [
        # A field may have a name that no attribute can have.
        (f"field_{place}", TYPES[check.kind], msgspec.field(name=name))
        for place, (name, check) in enumerate(checks.items())
    ]
    # Nothing in them can refer to them: the garbage collector need not look.
    row: Any = msgspec.defstruct("Row", fields, forbid_unknown_fields=True, gc=False)
    request: Any = msgspec.defstruct(
        "Request", [("rows", list[row])], forbid_unknown_fields=True
    )
    return msgspec.json.Decoder(request).decode


def _columns(rows: Sequence[msgspec.Struct], kinds: Sequence[Kind]) -> Sequence[Column]:
    """Return the values of each field: numbers and truth values as arrays.

    Raises:
        struct.error: a whole number has more than 64 bits.
    """
    width = len(kinds)
    if set(kinds) == {"real"}:
        return list(_table(rows, width))
    values = list(chain.from_iterable(map(astuple, rows)))
    return [_column(kind, values[place::width]) for place, kind in enumerate(kinds)]


def _table(rows: Sequence[msgspec.Struct], width: int) -> NDArray[np.float64]:
    """Return the numbers of all rows, a line for each field."""
    pack = struct.Struct(f"{width}d").pack
    numbers = np.frombuffer(b"".join(starmap(pack, map(astuple, rows))))
    table = np.ascontiguousarray(numbers.reshape(-1, width).T)
    table.flags.writeable = False
    return table


def _column(kind: Kind, values: list[Any]) -> Column:
    match kind:
        case "text":
            return values
        case "truth":
            return np.array(values, np.bool_)
        case "whole":
            return _packed("q", values)
        case "real":
            return _packed("d", values)


def _packed(form: str, values: Sequence[Any]) -> NDArray[Any]:
    """Return numbers as an array, in a third of the time that numpy takes to make one."""
    return np.frombuffer(struct.pack(f"{len(values)}{form}", *values), form)
