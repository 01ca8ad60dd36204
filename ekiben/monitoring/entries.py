"""What the hot path leaves of an answered request, and how the log's writer puts it down."""

import hmac
import json
from asyncio import Future
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import orjson

from ekiben.monitoring.ids import key_of
from ekiben.monitoring.records import HASHED
from ekiben.schemas.base import Row, personal_fields
from ekiben.use_cases.columns import Columns

PersonalPolicy = Literal["keep", "hash", "drop"]


class Entry(NamedTuple):
    """One answered request. `at` is in seconds since 1970.

    `ids` is what the ids of its rows begin with, `answered` the answers as they are sent.
    `waiter` is told when the rows are in the log, None: nobody waits for that.
    """

    use_case: str
    tag: str
    at: float
    ids: str
    rows: Sequence[Row]
    answered: bytes
    batch_rows: int
    seconds: float
    request_id: str
    caller: str
    waiter: "Future[None] | None" = None


Taken = tuple[
    str,
    str,
    float,
    str,
    Sequence[Row],
    bytes,
    int,
    float,
    str,
    str,
    "Future[None] | None",
]
"""What an `Entry` is made of: the hot path makes a plain tuple, at a tenth of the cost."""


class Line(NamedTuple):
    """One request of the log as its table has it.

    Its rows are numbered from `first` on; `asked` and `answered` are lists in JSON, of the
    rows and of the predictions as they were sent.
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


@dataclass(frozen=True)
class Encoder:
    """An entry to a line, without what is personal and not to be kept.

    *personal* has the marked fields of each use case. Equal values of a field have equal
    hashes, so that repetitions can be counted; without the *secret* nobody can tell by
    trying which value a hash is of.
    """

    personal: Mapping[str, frozenset[str]] = field(default_factory=dict)
    policy: PersonalPolicy = "keep"
    secret: bytes = b""

    @classmethod
    def of(
        cls, rows: Mapping[str, type[Row]], policy: PersonalPolicy, secret: bytes
    ) -> "Encoder":
        """Make the encoder of use cases with these *rows*."""
        marked = {name: personal_fields(row) for name, row in rows.items()}
        return cls(marked, policy, secret)

    def line(self, entry: Entry) -> Line:
        """Return the line of *entry*.

        Raises:
            ValueError, TypeError: a row has no form as JSON.
        """
        personal = self.personal.get(entry.use_case, frozenset())
        bare = bool(personal) and self.policy != "keep"
        return Line(
            key_of(entry.ids),
            entry.use_case,
            entry.tag,
            int(entry.at * 1_000_000),
            0,
            len(entry.rows),
            entry.batch_rows,
            entry.seconds,
            entry.request_id,
            entry.caller.replace("\0", "\ufffd"),
            self._stripped(entry.rows, personal) if bare else _rows(entry.rows),
            entry.answered.decode(),
        )

    def _stripped(self, rows: Sequence[Row], personal: frozenset[str]) -> str:
        kept = []
        for row in rows:
            values = row.model_dump(mode="json")
            for name in personal & values.keys():
                value = values.pop(name)
                if self.policy == "hash":
                    values[name] = self._hash(name, value)
            kept.append(values)
        return json.dumps(kept)

    def _hash(self, name: str, value: Any) -> str:
        text = f"prediction log\0{name}\0{json.dumps(value, sort_keys=True)}"
        return HASHED + hmac.digest(self.secret, text.encode(), "sha256").hex()


def _rows(rows: Sequence[Row]) -> str:
    if isinstance(rows, Columns):
        return orjson.dumps(rows.fields()).decode()
    try:
        return orjson.dumps([row.__dict__ for row in rows]).decode()
    except TypeError:  # a type or a number that only the row itself can write
        return json.dumps([row.model_dump(mode="json") for row in rows])
