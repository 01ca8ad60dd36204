"""Logged rows for tests of drift: rows of a trained use case, drawn, changed, answered."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from uuid_utils import uuid7

from ekiben.monitoring.drift import Question, judge
from ekiben.monitoring.records import Logged
from ekiben.monitoring.reference import read_reference
from ekiben.predictor import Predictor
from ekiben.schemas.drift import Drift
from tests.models import Trainings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIVE_ROWS = 2000

Rows = list[dict[str, Any]]


def logged(
    predictor: Predictor, rows: Rows, *, tag: str = "", at: datetime = NOON
) -> list[Logged]:
    """Return *rows* as the log keeps them, answered by *predictor*, a second apart."""
    return [
        Logged(
            prediction_id=str(uuid7()),
            use_case=predictor.use_case.name,
            tag=tag or f"{predictor.use_case.name}:a",
            at=at + timedelta(seconds=place),
            row=row,
            answer=answer,
            batch_rows=1,
            seconds=0.001,
            request_id="r",
            caller="",
        )
        for place, (row, answer) in enumerate(
            zip(rows, predictor.predict_raw(rows), strict=True)
        )
    ]


def draw(rows: Rows, count: int, rng: np.random.Generator) -> Rows:
    """Return *count* of the rows, with replacement where there are not so many."""
    places = rng.choice(len(rows), count, replace=count > len(rows))
    return [dict(rows[place]) for place in places]


def unseen_rows(trainings: Trainings, name: str) -> Rows:
    """Return all rows that the trained use case has not seen."""
    encoding = trainings.predictor(name).use_case.encoding
    return encoding.rows_of(trainings.test_part(name))


def shifted(rows: Rows, field: str, deviations: float) -> Rows:
    """Return *rows* with one field moved by so many standard deviations, as far as its
    type allows: whole numbers are rounded, a flag is set more often."""
    values = np.array([row[field] for row in rows], dtype=np.float64)
    move = deviations * values.std()
    if isinstance(rows[0][field], bool):
        more = np.random.default_rng(0).random(len(rows)) < move / (1 - values.mean())
        changed: list[Any] = [bool(one) for one in (values > 0) | more]
    elif isinstance(rows[0][field], int):
        changed = [max(1, round(one)) for one in values + move]
    else:
        share = values.max() <= 1
        changed = np.clip(values + move, 0, 1 if share else None).tolist()
    return [row | {field: value} for row, value in zip(rows, changed, strict=True)]


def drift_of(trainings: Trainings, name: str, records: Sequence[Logged]) -> Drift:
    """Return the verdict on *records* against what the trained use case keeps."""
    trained = trainings.trained(name)
    question = Question(
        trained.predictor.use_case, f"{name}:a", NOON, NOON + timedelta(days=7)
    )
    reference = read_reference(trained.evidence)
    return judge(question, reference, records, len(records))
