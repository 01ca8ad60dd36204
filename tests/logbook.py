"""Logs that tests fill: what a version answered, and what turned out to be true."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from uuid_utils import uuid7

from ekiben.monitoring.entries import Encoder, Entry, Line
from ekiben.monitoring.ids import NUMBERS, fresh, split
from ekiben.monitoring.records import Logged, microseconds
from ekiben.monitoring.store import PredictionStore
from ekiben.monitoring.tables import FEEDBACK, REQUESTS
from ekiben.predictor import Predictor
from ekiben.registry.engines import make_engine

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BATCHES = (1, 2, 31, 66)
"""Rows of the calls that answer, in turns."""


def logged(
    tag: str,
    row: dict[str, Any],
    answer: dict[str, Any],
    at: datetime,
    **changed: Any,
) -> Logged:
    facts: dict[str, Any] = {
        "prediction_id": str(uuid7()),
        "use_case": tag.partition(":")[0],
        "tag": tag,
        "at": at,
        "row": row,
        "answer": answer,
        "batch_rows": 1,
        "seconds": 0.001,
        "request_id": "r-1",
        "caller": "",
    }
    return Logged(**(facts | changed))


def spam_at(minute: int = 0, *, tag: str = "spam:a", **changed: Any) -> Logged:
    """Return a message that was answered so many minutes after NOON."""
    facts: dict[str, Any] = {
        "row": {"text": f"minute {minute}"},
        "answer": {"label": "ham", "probability": 0.1 + 0.2},
        "at": NOON + timedelta(minutes=minute),
    }
    return logged(tag, **(facts | changed))


def stamped(answers: Sequence[dict[str, Any]], tag: str) -> tuple[str, bytes]:
    """Return what the ids of *answers* begin with, and them as a server sends them."""
    begin = fresh()
    ids = (begin + end for end in NUMBERS)
    sent = [
        {**answer, "prediction_id": one, "model": tag}
        for one, answer in zip(ids, answers, strict=False)
    ]
    return begin, json.dumps(sent).encode()


def line_of(encoder: Encoder, entry: Entry) -> Line:
    """Return what the writer makes of *entry*."""
    values, left, _ = entry
    return encoder.finished(Line._make(values), left)


def answered(
    predictor: Predictor, rows: Sequence[dict[str, Any]], ago: timedelta
) -> list[Logged]:
    """Let *predictor* answer *rows*, a millisecond apart, in calls of several sizes."""
    found: list[Logged] = []
    at = datetime.now(UTC) - ago
    while len(found) < len(rows):
        size = BATCHES[len(found) % len(BATCHES)]
        batch = rows[len(found) : len(found) + size]
        for row, answer in zip(batch, predictor.predict_raw(batch), strict=True):
            at += timedelta(milliseconds=1)
            found.append(logged(predictor.tag, row, answer, at, batch_rows=len(batch)))
    return found


def write(log: PredictionStore, records: Sequence[Logged]) -> None:
    """Put *records* into the log, neighbours of one request as one record."""
    requests = groupby(records, lambda one: split(one.prediction_id)[0])
    with log.connect() as connection, connection.begin():
        connection.execute(
            sa.insert(REQUESTS), [_request_of(list(rows)) for _, rows in requests]
        )


def _request_of(rows: Sequence[Logged]) -> dict[str, object]:
    one = rows[0]
    key, first = split(one.prediction_id)
    return {
        "key": key,
        "use_case": one.use_case,
        "tag": one.tag,
        "at": microseconds(one.at),
        "first": first,
        "rows": len(rows),
        "batch_rows": one.batch_rows,
        "seconds": one.seconds,
        "request_id": one.request_id,
        "caller": one.caller,
        "asked": json.dumps([row.row for row in rows]),
        "answered": json.dumps([row.answer for row in rows]),
    }


def feed_back(
    url: str, labels: dict[str, Any], observed_at: datetime | None = None
) -> None:
    """Say what turned out to be true: prediction id to label."""
    now = datetime.now(UTC)
    with PredictionStore.opened(url):
        engine = make_engine(url, 5.0)
    rows = [
        {
            "key": split(identity)[0],
            "number": split(identity)[1],
            "label": json.dumps(label),
            "observed_at": microseconds(observed_at or now),
            "received_at": microseconds(now),
            "caller": "",
        }
        for identity, label in labels.items()
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(FEEDBACK), rows)
    engine.dispose()
