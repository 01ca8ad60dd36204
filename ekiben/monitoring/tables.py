"""The tables of the prediction log, and what is kept of a prediction as a row of them."""

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ekiben.monitoring.ids import joined
from ekiben.monitoring.kept_columns import listed
from ekiben.monitoring.records import Logged, Observed, moment_of
from ekiben.registry.migrating import Migrations

MIGRATIONS = Migrations(
    "ekiben.monitoring:migrations", "0004", "prediction_version", waits=360
)
"""Half an hour: what is in the log is written anew."""
_tables = sa.MetaData()
REQUESTS = sa.Table(
    "request",
    _tables,
    sa.Column("key", sa.Text, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("use_case", "tag")),
    sa.Column("at", sa.BigInteger),
    *(sa.Column(name, sa.Integer) for name in ("first", "rows", "batch_rows")),
    sa.Column("seconds", sa.Float),
    *(sa.Column(name, sa.Text) for name in ("request_id", "caller")),
    # Large ones last: the others are found without reading them.
    *(sa.Column(name, sa.Text) for name in ("asked", "answered", "requests")),
    sa.Column("numbers", sa.LargeBinary),
)
"""One record for the rows of one request or more, numbered from `first` on; see `ids`, and
for what `numbers` has of those that were `asked`, `kept_columns`."""
FEEDBACK = sa.Table(
    "feedback",
    _tables,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("label", sa.Text),
    sa.Column("observed_at", sa.BigInteger),
    sa.Column("received_at", sa.BigInteger),
    sa.Column("caller", sa.Text),
)
STAMPED = ("prediction_id", "model")
"""What an answer has that is said of it beside it."""


def logged_in(record: sa.RowMapping) -> list[Logged]:
    """Return the rows of *record*, one of `REQUESTS`."""
    same = ("use_case", "tag", "batch_rows", "caller")
    facts = {name: record[name] for name in same}
    rows = record["rows"]
    asked = listed(record["asked"], record["numbers"], rows)
    answered = listed(record["answered"], None, rows)
    return [
        Logged(
            prediction_id=joined(record["key"], number),
            at=moment_of(record["at"]),
            row=row,
            answer=unstamped(answer),
            seconds=seconds,
            request_id=request_id,
            **facts,
        )
        for number, (row, answer, (seconds, request_id)) in enumerate(
            zip(asked, answered, _requests(record), strict=True), record["first"]
        )
    ]


def _requests(record: sa.RowMapping) -> list[tuple[float, str]]:
    """Return for each row of *record* the seconds and the id of its request."""
    one = [(record["rows"], record["seconds"], record["request_id"])]
    listed = json.loads(record["requests"]) if record["requests"] else one
    return [
        (seconds, request_id)
        for rows, seconds, request_id in listed
        for _ in range(rows)
    ]


def unstamped(answer: dict[str, Any]) -> dict[str, Any]:
    """Return *answer* without what is said of it beside it."""
    return {name: answer[name] for name in answer if name not in STAMPED}


def truths_of(
    connection: sa.Connection, keys: Sequence[str]
) -> dict[tuple[str, int], Observed]:
    """Return what is known of the rows of these requests, by key and number."""
    f = FEEDBACK.c
    found = connection.execute(sa.select(FEEDBACK).where(f.key.in_(keys)))
    return {
        (one.key, one.number): Observed(
            prediction_id=joined(one.key, one.number),
            label=json.loads(one.label),
            observed_at=moment_of(one.observed_at),
            received_at=moment_of(one.received_at),
            caller=one.caller,
        )
        for one in found
    }
