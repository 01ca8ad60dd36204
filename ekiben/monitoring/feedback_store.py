"""Feedback in the prediction log: writing it once, and reading it for live quality."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ekiben.monitoring.records import Observed, microseconds, moment_of
from ekiben.monitoring.store import FEEDBACK, PREDICTIONS, PredictionStore

P, F = PREDICTIONS.c, FEEDBACK.c


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
        wanted = sa.select(P.id).where(P.use_case == use_case, P.id.in_(list(ids)))
        with self._reading() as connection:
            return {str(one) for one in connection.scalars(wanted)}

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
            insert = _insert(connection.dialect.name).values(rows).returning(F.id)
            kept = {str(one) for one in connection.scalars(insert)}
            others = [one for one in first if one not in kept]
            held = sa.select(F.id, F.label).where(F.id.in_(others))
            labels = {str(row.id): row.label for row in connection.execute(held)}
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
            sa.select(F.id, F.received_at)
            .where(arrived)
            .order_by(F.received_at.desc())
            .limit(most)
            .subquery()
        )
        wanted = (
            sa.select(newest.c.received_at - P.at)
            .join(PREDICTIONS, P.id == newest.c.id)
            .where(P.use_case == use_case)
        )
        with self._reading() as connection:
            # A clock that was set back must not make a label come before its prediction.
            return [max(one, 0) / 1e6 for one in connection.scalars(wanted)]

    def first_unlabelled(self, use_case: str, since: datetime) -> datetime | None:
        """Return when the oldest prediction since then was made that has no feedback."""
        wanted = (
            sa.select(P.at)
            .outerjoin(FEEDBACK, P.id == F.id)
            .where(P.use_case == use_case, P.at >= microseconds(since), F.id.is_(None))
            .order_by(P.at)
            .limit(1)
        )
        with self._reading() as connection:
            found = connection.scalar(wanted)
        return None if found is None else moment_of(found)

    def count_by_version(self, window: Window) -> list[Counted]:
        """Count the predictions of the *window* by version, that of the newest first."""
        newest = _newest(window)
        rows = sa.func.count()
        wanted = (
            sa.select(P.tag, rows.label("rows"), sa.func.count(F.id).label("known"))
            .add_columns(sa.func.min(P.at).label("since"))
            .select_from(newest.join(PREDICTIONS, P.id == newest.c.id))
            .outerjoin(FEEDBACK, newest.c.id == F.id)
            .group_by(P.tag)
            .order_by(sa.func.max(P.at).desc(), P.tag)
        )
        with self._reading() as connection:
            return [
                Counted(row.tag, row.rows, row.known, moment_of(row.since))
                for row in connection.execute(wanted)
            ]

    def labelled(
        self, window: Window, most: int, *, rows: bool = True
    ) -> list[Labelled]:
        """Return the predictions of the *window* that have feedback, the newest *most*;
        without *rows* each has an empty one."""
        newest = _newest(window)
        wanted = (
            sa.select(P.tag, P.row if rows else sa.literal("{}"), P.answer, F.label)
            .select_from(newest.join(FEEDBACK, newest.c.id == F.id))
            .join(PREDICTIONS, P.id == newest.c.id)
            .order_by(newest.c.at.desc(), newest.c.id)
            .limit(most)
        )
        with self._reading() as connection:
            found = connection.execute(wanted).all()
        return [
            Labelled(tag, json.loads(row), json.loads(answer), json.loads(label))
            for tag, row, answer, label in found
        ]


def _newest(window: Window) -> sa.Subquery:
    """Select id and time, which the index holds, so that no row is read in vain."""
    made = P.at >= microseconds(window.since), P.at < microseconds(window.until)
    return (
        sa.select(P.id, P.at)
        .where(P.use_case == window.use_case, *made)
        .order_by(P.at.desc())
        .limit(window.most)
        .subquery()
    )


def _insert(dialect: str) -> sa.Insert:
    # Each dialect has an insert of its own for this; both are written the same.
    if dialect == "sqlite":
        return sqlite.insert(FEEDBACK).on_conflict_do_nothing()
    return postgresql.insert(FEEDBACK).on_conflict_do_nothing()


def _row(one: Observed) -> dict[str, object]:
    return {
        "id": one.prediction_id,
        "label": json.dumps(one.label),
        "observed_at": microseconds(one.observed_at),
        "received_at": microseconds(one.received_at),
        "caller": one.caller,
    }
