"""An answered request on its way to the log: what the hot path makes of it, and the writer."""

import hmac
import json
from asyncio import Future
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import orjson

from ekiben.monitoring.ids import key_of
from ekiben.monitoring.kept_columns import kept
from ekiben.monitoring.records import HASHED
from ekiben.schemas.base import Row, personal_fields
from ekiben.use_cases.columns import Columns

PersonalPolicy = Literal["keep", "hash", "drop"]


class Line(NamedTuple):
    """One record of the log as its table has it; `at` is in microseconds since 1970.

    Its rows are numbered from `first` on; `asked` and `answered` are in JSON, the rows and
    the predictions: lists of them, or an object of their columns. `numbers` has those of
    the rows that are not written down there, see `kept_columns`.
    `requests` says of which requests they are, None: of one; `seconds` and `request_id` are
    those of the first.
    """

    key: str
    use_case: str
    tag: str
    at: int
    first: int
    rows: int
    batch_rows: int
    seconds: float
    request_id: str
    caller: str
    asked: str
    answered: str
    requests: str | None = None
    numbers: bytes | None = None


Values = tuple[
    str, str, str, int, int, int, int, float, str, str, str, str, str | None, bytes | None
]  # fmt: skip
"""Those of a `Line`: the hot path makes a plain tuple, at a tenth of the cost."""
Waiter = Future[None]
Entry = tuple[Values, Sequence[Row] | None, Waiter | None]
"""A record in the queue, its rows if they are still to be written down, and who is to be
told when it is in the log."""


@dataclass(frozen=True)
class Encoder:
    """The rows of a request to JSON, without what is personal and not to be kept.

    *personal* has the fields of a use case that are not kept: *hashed* they are, or dropped.
    Equal values of a field have equal hashes, so that repetitions can be counted; without
    the *secret* nobody can tell by trying which value a hash is of.
    """

    personal: Mapping[str, frozenset[str]] = field(default_factory=dict)
    hashed: bool = False
    secret: bytes = b""

    @classmethod
    def of(
        cls, rows: Mapping[str, type[Row]], policy: PersonalPolicy, secret: bytes
    ) -> "Encoder":
        """Make the encoder of use cases with these *rows*."""
        marked = {name: personal_fields(row) for name, row in rows.items()}
        return cls({} if policy == "keep" else marked, policy == "hash", secret)

    def entry(
        self,
        use_case: str,
        tag: str,
        at: float,
        ids: str,
        rows: Sequence[Row],
        answered: bytes,
        batch_rows: int,
        seconds: float,
        request_id: str,
        caller: str,
        waiter: Waiter | None = None,
        requests: str | None = None,
    ) -> Entry:
        """Return an answered request for the queue; *at* is in seconds since 1970.

        *ids* is what the ids of its rows begin with, *answered* what its record keeps of
        the predictions. Rows that take microseconds are written down now: cold, and in
        another thread, they take more.
        """
        asked = self._soon(use_case, rows)
        values = (
            key_of(ids), use_case, tag, int(at * 1_000_000), 0, len(rows), batch_rows,
            seconds, request_id, caller.replace("\0", "\ufffd"), asked, answered.decode(),
            requests, None,
        )  # fmt: skip
        return values, None if asked else rows, waiter

    def finished(self, line: Line, rows: Sequence[Row] | None) -> Line:
        """Return *line* with *rows* as they are kept; None: it has them already.

        Raises:
            ValueError, TypeError: a row has no form as JSON.
        """
        if rows is None:
            return line
        if isinstance(rows, Columns) and not self.personal.get(line.use_case):
            asked, numbers = kept(rows.values)
            return line._replace(asked=asked, numbers=numbers)
        return line._replace(asked=self._asked(line.use_case, rows))

    def _asked(self, use_case: str, rows: Sequence[Row]) -> str:
        if personal := self.personal.get(use_case):
            return self._stripped(rows, personal)
        try:
            return _fields(rows)
        except TypeError:  # a type or a number that only the row itself can write
            return json.dumps([row.model_dump(mode="json") for row in rows])

    def _soon(self, use_case: str, rows: Sequence[Row]) -> str:
        """Return *rows* in JSON, nothing if they are many, or not that simple."""
        if isinstance(rows, Columns) or self.personal.get(use_case):
            return ""
        try:
            return _fields(rows)
        except TypeError:
            return ""

    def _stripped(self, rows: Sequence[Row], personal: frozenset[str]) -> str:
        kept = []
        for row in rows:
            values = row.model_dump(mode="json")
            for name in personal & values.keys():
                value = values.pop(name)
                if self.hashed:
                    values[name] = self._hash(name, value)
            kept.append(values)
        return json.dumps(kept)

    def _hash(self, name: str, value: Any) -> str:
        text = f"prediction log\0{name}\0{json.dumps(value, sort_keys=True)}"
        return HASHED + hmac.digest(self.secret, text.encode(), "sha256").hex()


def _fields(rows: Sequence[Row]) -> str:
    return orjson.dumps([row.__dict__ for row in rows]).decode()
