"""Feedback in the prediction log: writing it once, and reading it for live quality."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ekiben.monitoring.ids import joined, split
from ekiben.monitoring.kept_columns import listed
from ekiben.monitoring.records import Observed, microseconds, moment_of
from ekiben.monitoring.store import CHUNK, PredictionStore, first_rows
from ekiben.monitoring.tables import FEEDBACK, REQUESTS, unstamped

R, F = REQUESTS.c, FEEDBACK.c
FETCH = 20
"""Records that are held at a time where many are read; one may be of a thousand rows."""
WITH_FEEDBACK = (
    sa.select(sa.func.count())
    .where(F.key == R.key)
    .correlate(REQUESTS)
    .scalar_subquery()
)
"""How many rows of a request have feedback."""


@dataclass(frozen=True)
class Recorded:
    """What became of feedback that was to be kept.

    `differing` of the duplicates name another label than the one that is kept.
    """

    accepted: int
    duplicates: int
    differing: int


@dataclass(frozen=True)
class Counted:
    """The predictions of one version, and how many have feedback; `since` is the oldest."""

    tag: str
    predictions: int
    with_feedback: int
    since: datetime


@dataclass(frozen=True)
class Labelled:
    """One prediction that is known to be right or wrong."""

    tag: str
    row: dict[str, Any]
    answer: dict[str, Any]
    label: Any


@dataclass(frozen=True)
class Window:
    """The predictions of a use case from *since* on and before *until*, the newest *most*."""

    use_case: str
    since: datetime
    until: datetime
    most: int


class FeedbackStore(PredictionStore):
    """The log, for whoever writes or judges feedback; raises LogUnavailable as it says."""

    def known(self, use_case: str, ids: Iterable[str]) -> set[str]:
        """Return those of the *ids*, in their canonical form, that *use_case* answered."""
        asked: dict[str, list[tuple[int, str]]] = {}
        for one in ids:
            key, number = split(one)
            asked.setdefault(key, []).append((number, one))
        wanted = sa.select(R.key, R.first, R.rows).where(
            R.use_case == use_case, R.key.in_(list(asked))
        )
        with self._reading() as connection:
            found = connection.execute(wanted).all()
        return {
            one
            for key, first, rows in found
            for number, one in asked[key]
            if first <= number < first + rows
        }

    def record(self, observed: Sequence[Observed]) -> Recorded:
        """Keep what is known of predictions that have no feedback yet; durable at return.

        Of several for one prediction the first stays, whoever writes them and when.
        """
        first: dict[str, Observed] = {}
        for one in observed:
            first.setdefault(one.prediction_id, one)
        # In one order everywhere, so that two workers do not wait for each other.
        rows = [_row(first[identity]) for identity in sorted(first)]
        if not rows:
            return Recorded(0, 0, 0)
        with self._writing() as connection:
            insert = _insert(connection.dialect.name).values(rows)
            told = connection.execute(insert.returning(F.key, F.number))
            kept = {joined(*one) for one in told}
            others = {split(one)[0] for one in first if one not in kept}
            held = sa.select(F.key, F.number, F.label).where(F.key.in_(list(others)))
            labels = {
                joined(row.key, row.number): row.label
                for row in connection.execute(held)
            }
        labels |= {one: json.dumps(first[one].label) for one in kept}
        differing = sum(
            json.dumps(o.label) != labels[o.prediction_id] for o in observed
        )
        return Recorded(len(kept), len(observed) - len(kept), differing)

    def delays(
        self, use_case: str, since: datetime, until: datetime, most: int
    ) -> list[float]:
        """Return after how many seconds the labels came that arrived in this time.

        Of the newest *most* labels of all use cases. By their arrival, not by that of
        their predictions: of new predictions only the fast labels are there.
        """
        arrived = F.received_at.between(microseconds(since), microseconds(until))
        newest = (
            sa.select(F.key, F.received_at)
            .where(arrived)
            .order_by(F.received_at.desc())
            .limit(most)
            .subquery()
        )
        wanted = (
            sa.select(newest.c.received_at - R.at)
            .join(REQUESTS, R.key == newest.c.key)
            .where(R.use_case == use_case)
        )
        with self._reading() as connection:
            # A clock that was set back must not make a label come before its prediction.
            return [max(one, 0) / 1e6 for one in connection.scalars(wanted)]

    def first_unlabelled(self, use_case: str, since: datetime) -> datetime | None:
        """Return when the oldest prediction since then was made that has no feedback."""
        wanted = (
            sa.select(R.at)
            .where(R.use_case == use_case, R.at >= microseconds(since))
            .where(R.rows > WITH_FEEDBACK)
            .order_by(R.at)
            .limit(1)
        )
        with self._reading() as connection:
            found = connection.scalar(wanted)
        return None if found is None else moment_of(found)

    def count_by_version(self, window: Window) -> list[Counted]:
        """Count the predictions of the *window* by version, that of the newest first."""
        newest = _newest(window)
        counted = (
            sa.select(R.tag, R.at, R.rows, WITH_FEEDBACK.label("known"))
            .select_from(newest.join(REQUESTS, R.key == newest.c.key))
            .subquery()
        ).c
        wanted = (
            sa.select(counted.tag, sa.func.min(counted.at).label("since"))
            .add_columns(sa.func.sum(counted.rows).label("rows"))
            .add_columns(sa.func.sum(counted.known).label("known"))
            .group_by(counted.tag)
            .order_by(sa.func.max(counted.at).desc(), counted.tag)
        )
        with self._reading() as connection:
            return [
                Counted(row.tag, int(row.rows), int(row.known), moment_of(row.since))
                for row in connection.execute(wanted)
            ]

    def labelled(
        self, window: Window, most: int, *, rows: bool = True
    ) -> list[Labelled]:
        """Return the predictions of the *window* that have feedback, the newest *most*;
        without *rows* each has an empty one."""
        newest = _newest(window)
        wanted = (
            sa.select(F.key, F.number, F.label)
            .select_from(newest.join(FEEDBACK, newest.c.key == F.key))
            .order_by(newest.c.at.desc(), F.key, F.number)
            .limit(most)
        )
        with self._reading() as connection:
            known = connection.execute(wanted).all()
            told: dict[str, dict[int, str]] = {}
            for key, number, label in known:
                told.setdefault(key, {})[number] = label
            held = _labelled(connection, told, rows=rows)
        return [held[key, number] for key, number, _ in known]


def _labelled(
    connection: sa.Connection, told: Mapping[str, Mapping[int, str]], *, rows: bool
) -> dict[tuple[str, int], Labelled]:
    """Return the predictions that *told* has labels of, by key and number."""
    columns = (
        R.key,
        R.tag,
        R.first,
        R.rows,
        R.answered,
        *([R.asked, R.numbers] if rows else []),
    )
    keys = list(told)
    found = {}
    for start in range(0, len(keys), CHUNK):
        wanted = sa.select(*columns).where(R.key.in_(keys[start : start + CHUNK]))
        for one in connection.execute(wanted.execution_options(yield_per=FETCH)):
            asked = listed(one.asked, one.numbers, one.rows) if rows else None
            answered = listed(one.answered, None, one.rows)
            for number, label in told[one.key].items():
                place = number - one.first
                row = asked[place] if asked is not None else {}
                answer = unstamped(answered[place])
                found[one.key, number] = Labelled(
                    one.tag, row, answer, json.loads(label)
                )
    return found


def _newest(window: Window) -> sa.Subquery:
    """Select key, time and rows, which the index holds, so that no record is read in vain."""
    made = R.at >= microseconds(window.since), R.at < microseconds(window.until)
    requests = (
        sa.select(R.key, R.at, R.rows)
        .where(R.use_case == window.use_case, *made)
        .order_by(R.at.desc(), R.key)
        .limit(window.most)
    )
    return first_rows(requests, window.most, newest=True)


def _insert(dialect: str) -> sa.Insert:
    # Each dialect has an insert of its own for this; both are written the same.
    if dialect == "sqlite":
        return sqlite.insert(FEEDBACK).on_conflict_do_nothing()
    return postgresql.insert(FEEDBACK).on_conflict_do_nothing()


def _row(one: Observed) -> dict[str, object]:
    key, number = split(one.prediction_id)
    return {
        "key": key,
        "number": number,
        "label": json.dumps(one.label),
        "observed_at": microseconds(one.observed_at),
        "received_at": microseconds(one.received_at),
        "caller": one.caller,
    }
