"""Requests that are answered together as one record of the log.

A record of its own costs a request of one row more than its prediction.
"""

from collections.abc import Sequence

import orjson

from ekiben.monitoring.entries import Encoder, Entry
from ekiben.monitoring.ids import fresh
from ekiben.schemas.base import Row

MOST_ROWS = 256
"""That a record gathers: who looks for one prediction reads all of its record."""

Kind = tuple[str, str, str, int]
"""Use case, tag, caller and rows of the model call. Who may count up from the ids of his own
predictions finds none of somebody else's."""


class Gathered:
    """The rows of one *kind*, of requests answered since *at*, in seconds since 1970."""

    __slots__ = ("_answers", "_asked", "_requests", "at", "ids", "kind", "rows")

    def __init__(self, kind: Kind, at: float) -> None:
        self.kind = kind
        self.at = at
        self.ids = fresh()
        self.rows = 0
        """How many it has, and so the number of the next one."""
        self._asked: list[Row] = []
        self._answers: list[bytes] = []
        self._requests: list[tuple[int, float, str]] = []

    def add(
        self, rows: Sequence[Row], answered: bytes, seconds: float, request_id: str
    ) -> None:
        """Take in a request's *rows*, and the JSON list that was sent for them."""
        self.rows += len(rows)
        self._asked += rows
        self._answers.append(answered[1:-1])
        self._requests.append((len(rows), seconds, request_id))

    def entry(self, encoder: Encoder) -> Entry:
        """Return all as one entry for the queue."""
        use_case, tag, caller, batch_rows = self.kind
        _, seconds, request_id = self._requests[0]
        several = len(self._requests) > 1
        return encoder.entry(
            use_case, tag, self.at, self.ids, self._asked,
            b"[%b]" % b",".join(self._answers), batch_rows, seconds, request_id, caller,
            requests=orjson.dumps(self._requests).decode() if several else None,
        )  # fmt: skip
