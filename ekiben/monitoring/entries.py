"""What the hot path leaves of an answered request, and how the log's writer puts it down."""

import hmac
import json
from asyncio import Future
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import orjson

from ekiben.monitoring.records import HASHED
from ekiben.schemas.base import Row, personal_fields

PersonalPolicy = Literal["keep", "hash", "drop"]


class Entry(NamedTuple):
    """One answered request. `at` is in seconds since 1970; `answers` have id and model.

    `waiter` is told when the rows are in the log, None: nobody waits for that.
    """

    use_case: str
    tag: str
    at: float
    rows: Sequence[Row]
    answers: Sequence[dict[str, Any]]
    batch_rows: int
    seconds: float
    request_id: str
    caller: str
    waiter: "Future[None] | None" = None


Taken = tuple[
    str,
    str,
    float,
    Sequence[Row],
    Sequence[dict[str, Any]],
    int,
    float,
    str,
    str,
    "Future[None] | None",
]
"""What an `Entry` is made of: the hot path makes a plain tuple, at a tenth of the cost."""


class Line(NamedTuple):
    """One row of the log as its table has it: id in 32 digits, `row` and `answer` JSON."""

    id: str
    use_case: str
    tag: str
    at: int
    row: str
    answer: str
    batch_rows: int
    seconds: float
    request_id: str
    caller: str


@dataclass(frozen=True)
class Encoder:
    """Entries to lines, without what is personal and not to be kept.

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

    def lines(self, entry: Entry) -> list[Line]:
        """Return one line a row.

        Raises:
            ValueError, TypeError: a row or answer has no form as JSON.
        """
        at = int(entry.at * 1_000_000)
        caller = entry.caller.replace("\0", "\ufffd")
        personal = self.personal.get(entry.use_case, frozenset())
        bare = bool(personal) and self.policy != "keep"
        lines = []
        for row, answer in zip(entry.rows, entry.answers, strict=True):
            fields = answer.copy()
            identity = fields.pop("prediction_id").replace("-", "")
            del fields["model"]
            asked = self._stripped(row, personal) if bare else _text(row.__dict__, row)
            lines.append(
                Line(
                    identity,
                    entry.use_case,
                    entry.tag,
                    at,
                    asked,
                    _text(fields),
                    entry.batch_rows,
                    entry.seconds,
                    entry.request_id,
                    caller,
                )
            )
        return lines

    def _stripped(self, row: Row, personal: frozenset[str]) -> str:
        values = row.model_dump(mode="json")
        for name in personal & values.keys():
            value = values.pop(name)
            if self.policy == "hash":
                values[name] = self._hash(name, value)
        return json.dumps(values)

    def _hash(self, name: str, value: Any) -> str:
        text = f"prediction log\0{name}\0{json.dumps(value, sort_keys=True)}"
        return HASHED + hmac.digest(self.secret, text.encode(), "sha256").hex()


def _text(values: dict[str, Any], row: Row | None = None) -> str:
    """Return *values* as JSON; *row* is where they are of, for types that only it knows."""
    try:
        return orjson.dumps(values).decode()
    except TypeError:
        return json.dumps(row.model_dump(mode="json") if row else values)
