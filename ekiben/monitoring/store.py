"""The prediction log in a database: beside the ledger's file, or in its PostgreSQL."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self
from uuid import UUID

import sqlalchemy as sa

from ekiben.errors import LedgerUnavailable, LogUnavailable, UnknownPrediction
from ekiben.monitoring.records import (
    Logged,
    Observed,
    microseconds,
    moment_of,
)
from ekiben.registry.engines import available, make_engine
from ekiben.registry.migrating import Migrations

WAIT_SECONDS = 5.0
"""How long an operation waits for another writer or for PostgreSQL to answer."""
CHUNK = 1000
"""Rows that are read at a time."""
PIECE = 3_600_000_000
"""Microseconds of the log that are looked through at a time."""
ID_DIGITS = 6
"""Hexadecimal digits at the end of an id that a sample is drawn by."""
MIGRATIONS = Migrations("ekiben.monitoring:migrations", "0001", "prediction_version")

_tables = sa.MetaData()
PREDICTIONS = sa.Table(
    "prediction",
    _tables,
    sa.Column("id", sa.Uuid(as_uuid=False), primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("use_case", "tag")),
    sa.Column("at", sa.BigInteger),
    *(sa.Column(name, sa.Text) for name in ("row", "answer")),
    sa.Column("batch_rows", sa.Integer),
    sa.Column("seconds", sa.Float),
    *(sa.Column(name, sa.Text) for name in ("request_id", "caller")),
)
FEEDBACK = sa.Table(
    "feedback",
    _tables,
    sa.Column("id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("label", sa.Text),
    sa.Column("observed_at", sa.BigInteger),
    sa.Column("received_at", sa.BigInteger),
    sa.Column("caller", sa.Text),
)


@dataclass(frozen=True)
class PredictionStore:
    """The log that several processes share; every method raises LogUnavailable when the
    database stays locked or out of reach for longer than it waits."""

    _reads: sa.Engine
    _writes: sa.Engine
    _wait: float

    @classmethod
    def open(cls, url: str, *, wait: float = WAIT_SECONDS) -> Self:
        """Open the log at *url*, making or migrating its tables where needed."""
        with unavailable():
            # A connection per operation: who keeps one open stays with a file that was
            # moved away or deleted, and loses what it writes.
            engine = make_engine(url, wait, poolclass=sa.NullPool)
            if engine.dialect.name == "sqlite":
                make_private(Path(engine.url.database or ""))
            try:
                MIGRATIONS.apply(engine, wait)
            except BaseException:
                engine.dispose()
                raise
        if engine.dialect.name == "sqlite":
            return cls(engine, engine.execution_options(write=True), wait)
        return cls(engine, engine, wait)

    @classmethod
    @contextmanager
    def opened(cls, url: str) -> Iterator[Self]:
        """Open the log for the length of a `with` block."""
        store = cls.open(url)
        try:
            yield store
        finally:
            store.close()

    def close(self) -> None:
        """Close all connections."""
        self._reads.dispose()

    def connect(self) -> sa.Connection:
        """Return a connection for one who writes again and again, and closes it."""
        with unavailable(), available(self._reads.dialect.name, self._wait):
            return self._writes.connect()

    def write(self, records: Sequence[Logged]) -> None:
        """Keep *records*, all or none."""
        with self._writing() as connection:
            connection.execute(PREDICTIONS.insert(), [_row(one) for one in records])

    def count(self, use_case: str, *, since: datetime, until: datetime) -> int:
        """Return how many predictions `read` would yield."""
        p = PREDICTIONS.c
        window = (p.at >= microseconds(since), p.at < microseconds(until))
        wanted = sa.select(sa.func.count()).where(p.use_case == use_case, *window)
        with self._reading() as connection:
            return connection.scalar(wanted) or 0

    def prune(self, use_case: str, *, before: datetime) -> int:
        """Remove what was answered *before*, feedback included; return how many rows.

        In chunks, between which the log is free for others.
        """
        p = PREDICTIONS.c
        old = (p.use_case == use_case, p.at < microseconds(before))
        removed = 0
        while True:
            with self._writing() as connection:
                ids = connection.scalars(sa.select(p.id).where(*old).limit(CHUNK)).all()
                for column in (FEEDBACK.c.id, p.id):
                    connection.execute(column.table.delete().where(column.in_(ids)))
            removed += len(ids)
            if len(ids) < CHUNK:
                return removed

    def tags(self, use_case: str, *, since: datetime) -> set[str]:
        """Return the versions by which rows were answered from *since* on.

        Read in pieces, between which the log is free for others.
        """
        p = PREDICTIONS.c
        found: set[str] = set()
        start = sa.select(sa.func.min(p.at)).where(p.use_case == use_case)
        end = microseconds(since)
        while True:
            with self._reading() as connection:
                first = connection.scalar(start.where(p.at >= end))
                if first is None:
                    return found
                end = first + PIECE
                within = (p.use_case == use_case, p.at >= first, p.at < end)
                wanted = sa.select(p.tag).where(*within).distinct()
                found.update(connection.scalars(wanted))

    def find(self, prediction_id: str) -> Logged:
        """Return one prediction.

        Raises:
            UnknownPrediction: the log does not hold it.
        """
        try:
            identity = str(UUID(prediction_id))
        except ValueError:
            raise UnknownPrediction(prediction_id) from None
        with self._reading() as connection:
            wanted = sa.select(PREDICTIONS).where(PREDICTIONS.c.id == identity)
            row = connection.execute(wanted).mappings().first()
        if row is None:
            raise UnknownPrediction(prediction_id)
        return _logged(row)

    def read(
        self,
        use_case: str,
        *,
        since: datetime,
        until: datetime,
        tag: str | None = None,
    ) -> Iterator[tuple[Logged, Observed | None]]:
        """Yield what was answered from *since* on and before *until*, oldest first, each
        with what turned out to be true, None: not known yet.

        Read in chunks, between which the log is free for others.
        """
        p, f = PREDICTIONS.c, FEEDBACK.c
        truth = [getattr(f, name).label(f"true_{name}") for name in TRUTH]
        joined = PREDICTIONS.outerjoin(FEEDBACK, p.id == f.id)
        wanted = (
            sa.select(PREDICTIONS, *truth)
            .select_from(joined)
            .where(p.use_case == use_case, p.at < microseconds(until))
            .order_by(p.at, p.id)
            .limit(CHUNK)
        )
        if tag is not None:
            wanted = wanted.where(p.tag == tag)
        after = p.at >= microseconds(since)
        while True:
            with self._reading() as connection:
                rows = connection.execute(wanted.where(after)).mappings().all()
            yield from ((_logged(row), _observed(row)) for row in rows)
            if len(rows) < CHUNK:
                return
            last = rows[-1]
            later = sa.and_(p.at == last["at"], p.id > last["id"])
            after = sa.or_(p.at > last["at"], later)

    def sample(
        self,
        use_case: str,
        *,
        tag: str,
        since: datetime,
        until: datetime,
        most: int,
    ) -> tuple[int, list[Logged]]:
        """Return how many rows *tag* answered from *since* on and before *until*, and
        about *most* of them at most, oldest first.

        Which ones says the end of their ids, which is random: the same every time.
        """
        p = PREDICTIONS.c
        within = (
            p.use_case == use_case,
            p.tag == tag,
            p.at >= microseconds(since),
            p.at < microseconds(until),
        )
        counting = sa.select(sa.func.count()).select_from(PREDICTIONS).where(*within)
        wanted = sa.select(PREDICTIONS).where(*within).order_by(p.at, p.id)
        with self._reading() as connection:
            count = connection.execute(counting).scalar_one()
            if count > most:
                wanted = wanted.where(self._drawn(most / count))
            rows = connection.execute(wanted).mappings().all()
        return count, [_logged(row) for row in rows]

    @staticmethod
    def _drawn(share: float) -> sa.ColumnElement[bool]:
        """Return what is true of a *share* of all ids, which end at random."""
        text = sa.cast(PREDICTIONS.c.id, sa.Text)
        end = sa.func.substr(text, sa.func.length(text) - ID_DIGITS + 1)
        return end < f"{int(share * 16**ID_DIGITS):0{ID_DIGITS}x}"

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with (
            unavailable(),
            available(self._reads.dialect.name, self._wait),
            self._reads.connect() as connection,
        ):
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with (
            unavailable(),
            available(self._reads.dialect.name, self._wait),
            self._writes.begin() as connection,
        ):
            yield connection


TRUTH = ("label", "observed_at", "received_at", "caller")


@contextmanager
def unavailable() -> Iterator[None]:
    """Say of the log what is said of the ledger, whose way to a database it uses."""
    try:
        yield
    except LedgerUnavailable as error:
        raise LogUnavailable(error.reason) from error


def make_private(file: Path) -> None:
    """Make an empty *file* that only its owner can read, unless one is there.

    A file that is there is not even opened: whoever closes a descriptor of it takes away
    all locks that SQLite holds on it in this process, and another one then removes the
    write-ahead log under our connections.

    Raises:
        LogUnavailable: the directory cannot be written.
    """
    if file.exists():
        return
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            os.close(descriptor)
            with suppress(FileExistsError):
                os.link(name, file)
        finally:
            os.unlink(name)
    except OSError as error:
        raise LogUnavailable(str(error.strerror)) from error


def _row(record: Logged) -> dict[str, object]:
    return {
        "id": record.prediction_id,
        "use_case": record.use_case,
        "tag": record.tag,
        "at": microseconds(record.at),
        "row": json.dumps(record.row),
        "answer": json.dumps(record.answer),
        "batch_rows": record.batch_rows,
        "seconds": record.seconds,
        "request_id": record.request_id,
        "caller": record.caller,
    }


def _logged(row: sa.RowMapping) -> Logged:
    same = ("use_case", "tag", "batch_rows", "seconds", "request_id", "caller")
    return Logged(
        prediction_id=str(row["id"]),
        at=moment_of(row["at"]),
        row=json.loads(row["row"]),
        answer=json.loads(row["answer"]),
        **{name: row[name] for name in same},
    )


def _observed(row: sa.RowMapping) -> Observed | None:
    if row["true_label"] is None:
        return None
    return Observed(
        prediction_id=str(row["id"]),
        label=json.loads(row["true_label"]),
        observed_at=moment_of(row["true_observed_at"]),
        received_at=moment_of(row["true_received_at"]),
        caller=row["true_caller"],
    )
