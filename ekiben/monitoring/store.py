"""The prediction log in a database: beside the ledger's file, or in its PostgreSQL."""

import os
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from ekiben.errors import LedgerUnavailable, LogUnavailable, UnknownPrediction
from ekiben.monitoring.ids import KEY_DIGITS, split
from ekiben.monitoring.records import Logged, Observed, microseconds
from ekiben.monitoring.tables import (
    FEEDBACK,
    MIGRATIONS,
    REQUESTS,
    logged_in,
    truths_of,
)
from ekiben.registry.engines import available, make_engine

WAIT_SECONDS = 5.0
"""How long an operation waits for another writer or for PostgreSQL to answer."""
CHUNK = 1000
"""Rows that are read at a time."""
PIECE = 3_600_000_000
"""Microseconds of the log that are looked through at a time."""
DRAWN_DIGITS = 6
"""Hexadecimal digits at the end of a key that a sample is drawn by."""
WASTE = 10
"""For a row of a sample so many rows of its request may be read."""


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

    def count(self, use_case: str, *, since: datetime, until: datetime) -> int:
        """Return how many predictions `read` would yield."""
        r = REQUESTS.c
        window = (r.at >= microseconds(since), r.at < microseconds(until))
        wanted = sa.select(sa.func.sum(r.rows)).where(r.use_case == use_case, *window)
        with self._reading() as connection:
            return int(connection.scalar(wanted) or 0)

    def prune(self, use_case: str, *, before: datetime) -> int:
        """Remove what was answered *before*, feedback included; return how many rows.

        In chunks, between which the log is free for others.
        """
        r = REQUESTS.c
        old = (r.use_case == use_case, r.at < microseconds(before))
        removed = 0
        while True:
            some = sa.select(r.key, r.at, r.rows).where(*old).order_by(r.at, r.key)
            chunk = first_rows(some.limit(CHUNK), CHUNK, newest=False)
            with self._writing() as connection:
                found = connection.execute(sa.select(chunk.c.key, chunk.c.rows)).all()
                keys = [one.key for one in found]
                for column in (FEEDBACK.c.key, r.key):
                    connection.execute(column.table.delete().where(column.in_(keys)))
            removed += sum(int(one.rows) for one in found)
            if not found:
                return removed

    def tags(self, use_case: str, *, since: datetime) -> set[str]:
        """Return the versions by which rows were answered from *since* on.

        Read in pieces, between which the log is free for others.
        """
        r = REQUESTS.c
        found: set[str] = set()
        start = sa.select(sa.func.min(r.at)).where(r.use_case == use_case)
        end = microseconds(since)
        while True:
            with self._reading() as connection:
                first = connection.scalar(start.where(r.at >= end))
                if first is None:
                    return found
                end = first + PIECE
                within = (r.use_case == use_case, r.at >= first, r.at < end)
                wanted = sa.select(r.tag).where(*within).distinct()
                found.update(connection.scalars(wanted))

    def find(self, prediction_id: str) -> Logged:
        """Return one prediction.

        Raises:
            UnknownPrediction: the log does not hold it.
        """
        try:
            key, number = split(prediction_id)
        except ValueError:
            raise UnknownPrediction(prediction_id) from None
        r = REQUESTS.c
        held = (r.key == key, r.first <= number, number < r.first + r.rows)
        with self._reading() as connection:
            found = connection.execute(sa.select(REQUESTS).where(*held)).mappings()
            record = found.first()
        if record is None:
            raise UnknownPrediction(prediction_id)
        place: int = number - record["first"]
        return logged_in(record)[place]

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
        r = REQUESTS.c
        window = [r.use_case == use_case, r.at < microseconds(until)]
        if tag is not None:
            window.append(r.tag == tag)
        after = r.at >= microseconds(since)
        while True:
            next_ones = (
                sa.select(r.key, r.at, r.rows)
                .where(*window, after)
                .order_by(r.at, r.key)
                .limit(CHUNK)
            )
            chunk = first_rows(next_ones, CHUNK, newest=False)
            wanted = (
                sa.select(REQUESTS)
                .join(chunk, r.key == chunk.c.key)
                .order_by(r.at, r.key)
            )
            with self._reading() as connection:
                records = connection.execute(wanted).mappings().all()
                truths = truths_of(connection, [one["key"] for one in records])
            for record in records:
                for number, logged in enumerate(logged_in(record), record["first"]):
                    yield logged, truths.get((record["key"], number))
            if not records:
                return
            last = records[-1]
            later = sa.and_(r.at == last["at"], r.key > last["key"])
            after = sa.or_(r.at > last["at"], later)

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

        Which ones say their keys, which are random: the same every time. First requests
        are drawn, then rows of them, so that few rows are read in vain.
        """
        r = REQUESTS.c
        within = (
            r.use_case == use_case,
            r.tag == tag,
            r.at >= microseconds(since),
            r.at < microseconds(until),
        )
        counting = sa.select(sa.func.sum(r.rows), sa.func.count()).where(*within)
        drawn = sa.select(r.key, r.rows).where(*within).order_by(r.at, r.key)
        with self._reading() as connection:
            rows, requests = connection.execute(counting).one()
            if not requests:
                return 0, []
            count = int(rows)
            share = min(1.0, most / count)
            of_requests = min(1.0, share * min(count / requests, WASTE))
            if of_requests < 1:
                drawn = drawn.where(_drawn(of_requests))
            of_rows = share / of_requests
            keys = [(one.key, one.rows) for one in connection.execute(drawn)]
        found: list[Logged] = []
        for chunk in _chunks(keys):
            # In between SQLite can shorten its write-ahead log, which grows until then.
            with self._reading() as connection:
                held = sa.select(REQUESTS).where(r.key.in_(chunk))
                held = held.order_by(r.at, r.key)
                records = connection.execute(held).mappings().all()
            found += [
                logged
                for record in records
                for logged in logged_in(record)
                if of_rows >= 1 or _chance(logged.prediction_id) < of_rows
            ]
        return count, found

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


def first_rows(requests: sa.Select[Any], most: int, *, newest: bool) -> sa.Subquery:
    """Return those of *requests* that begin within their first *most* rows.

    *requests* selects key, at and rows; the first are the oldest, or the *newest*.
    """
    found = requests.subquery()
    order = (found.c.at.desc(), found.c.key) if newest else (found.c.at, found.c.key)
    upto = sa.func.sum(found.c.rows).over(order_by=order)
    placed = sa.select(found, (upto - found.c.rows).label("before")).subquery()
    return sa.select(placed).where(placed.c.before < most).subquery()


def _chunks(keys: Sequence[tuple[str, int]]) -> Iterator[list[str]]:
    """Yield *keys*, each with its number of rows, in lists of about CHUNK rows together."""
    chunk: list[str] = []
    rows = 0
    for key, count in keys:
        chunk.append(key)
        rows += count
        if rows >= CHUNK:
            yield chunk
            chunk, rows = [], 0
    if chunk:
        yield chunk


def _drawn(share: float) -> sa.ColumnElement[bool]:
    """Return what is true of a *share* of all keys, which end at random."""
    end = sa.func.substr(REQUESTS.c.key, KEY_DIGITS - DRAWN_DIGITS + 1)
    return end < f"{int(share * 16**DRAWN_DIGITS):0{DRAWN_DIGITS}x}"


def _chance(prediction_id: str) -> float:
    """Return a number below 1 that looks random and is always the same for this id."""
    return zlib.crc32(prediction_id.encode()) / 2**32
