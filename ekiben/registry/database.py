"""The ledger in a database: SQLite in one file, or PostgreSQL for several hosts."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from ekiben.errors import CorruptLedger, LedgerUnavailable
from ekiben.registry.canonical import canonical
from ekiben.registry.engines import available, make_engine
from ekiben.registry.events import Event, Head, check_end, read_event, verify_chain
from ekiben.registry.ledger import Ledger
from ekiben.registry.migrating import Migrations

WAIT_SECONDS = 5.0
"""How long an operation waits for another writer or for PostgreSQL to answer."""

MIGRATIONS = Migrations("ekiben.registry:migrations", "0002")

_tables = sa.MetaData()
EVENTS = sa.Table(
    "ledger_event",
    _tables,
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("use_case", "action", "alias")),
    *(sa.Column(name, sa.Text) for name in ("from_tag", "to_tag")),
    sa.Column("weight", sa.Float),
    *(sa.Column(name, sa.Text) for name in ("actor", "reason")),
    sa.Column("forced", sa.Boolean),
    *(sa.Column(name, sa.Text) for name in ("report", "digest")),
    *(sa.Column(name, sa.Text) for name in ("created", "effective")),
    *(sa.Column(name, sa.Text) for name in ("previous_hash", "hash")),
)
HEAD = sa.Table(
    "ledger_head",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("sequence", sa.BigInteger),
    sa.Column("hash", sa.Text),
)
LOOK = str(sa.select(HEAD.c.sequence))
"""As text: every worker asks it twenty times a second."""


@dataclass(frozen=True)
class LedgerDatabase:
    """The ledger that several processes share; every method raises LedgerUnavailable
    when the database stays locked or out of reach for longer than it waits."""

    _reads: sa.Engine
    _writes: sa.Engine
    _looks: sa.Engine
    _wait: float

    @classmethod
    def open(cls, url: str, *, wait: float = WAIT_SECONDS) -> "LedgerDatabase":
        """Open the ledger at *url*, making or migrating its tables where needed.

        Raises:
            LedgerUnavailable: it cannot be reached.
            LedgerTooNew: a newer Ekiben made it.
        """
        engine = make_engine(url, wait)
        try:
            MIGRATIONS.apply(engine, wait)
        except BaseException:
            engine.dispose()
            raise
        if engine.dialect.name == "sqlite":
            return cls(engine, engine.execution_options(write=True), engine, wait)
        # Head and events are to be of one moment; a look needs no transaction.
        snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
        alone = engine.execution_options(isolation_level="AUTOCOMMIT")
        return cls(snapshot, engine, alone, wait)

    @classmethod
    @contextmanager
    def opened(cls, url: str) -> Iterator["LedgerDatabase"]:
        """Open the ledger for the length of a `with` block."""
        database = cls.open(url)
        try:
            yield database
        finally:
            database.close()

    def close(self) -> None:
        """Close all connections."""
        self._reads.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Read other tables of the same database, as of one moment."""
        with self._available(), self._reads.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Write other tables of the same database, all of it or nothing."""
        with self._available(), self._writes.begin() as connection:
            yield connection

    def head_sequence(self) -> int:
        """Return the sequence of the newest event, 0 before any; cheap, for polling."""
        with self._available(), self._looks.connect() as connection:
            return int(connection.exec_driver_sql(LOOK).scalar() or 0)

    def news(self, sequence: int) -> tuple[list[Event], Head]:
        """Return the events after *sequence*, oldest first, as they stand: not verified;
        and where the chain ends.
        """
        with self._available(), self._reads.connect() as connection:
            condition = EVENTS.c.sequence > sequence
            return list(_events(connection, condition)), _head(connection)

    def ledger(self) -> Ledger:
        """Return all events as they stand: not verified."""
        with self._available(), self._reads.connect() as connection:
            return Ledger(tuple(_events(connection, sa.true())), _head(connection))

    def verified(self) -> Ledger:
        """Return all events, each known to be as it was written.

        Raises:
            CorruptLedger: names the first event that is not.
        """
        found: list[Event] = []

        def keep(events: Iterator[Event]) -> Iterator[Event]:
            for event in events:
                found.append(event)
                yield event

        with self._available(), self._reads.connect() as connection:
            head = _head(connection)
            verify_chain(keep(_events(connection, sa.true())), head)
        return Ledger(tuple(found), head)

    def append(self, use_case: str, transition: Callable[[Ledger], Ledger]) -> Event:
        """Apply *transition* to the events of *use_case* and keep the one it adds.

        Nobody else writes meanwhile; nothing is written when it raises, such as
        Conflict. Take the time inside of it: waiting for another writer is over then.

        Raises:
            CorruptLedger: the newest event is not as it was written.
        """
        committing = False
        try:
            with self._available(), self._writes.begin() as writer:
                head = _head(writer, lock=True)
                events = _events(writer, EVENTS.c.use_case == use_case)
                before = Ledger(tuple(events), head)
                check_end(_newest(writer), head)
                event = transition(before).events[-1]
                writer.execute(EVENTS.insert().values(_row(event)))
                writer.execute(
                    HEAD.update().values(sequence=event.sequence, hash=event.hash)
                )
                committing = self._reads.dialect.name != "sqlite"
        except LedgerUnavailable as error:
            if not committing:
                raise
            # PostgreSQL went away between the word and its answer.
            reason = (
                f"{error.reason}; `ekiben history` will tell whether it was written"
            )
            raise LedgerUnavailable(reason) from error
        return event

    def _available(self) -> AbstractContextManager[None]:
        return available(self._reads.dialect.name, self._wait)


def _events(
    connection: sa.Connection, condition: sa.ColumnElement[bool]
) -> Iterator[Event]:
    rows = connection.execute(
        sa.select(EVENTS).where(condition).order_by(EVENTS.c.sequence)
    )
    for row in rows.mappings():
        yield read_event(_read(row))


def _read(row: sa.RowMapping) -> Mapping[str, object]:
    try:
        return {**row, "report": json.loads(row["report"])}
    except (TypeError, ValueError):
        reason = "was changed: its report is no JSON"
        raise CorruptLedger(row["sequence"], reason) from None


def _row(event: Event) -> dict[str, object]:
    document = event.document()
    return {**document, "report": canonical(document["report"])}


def _head(connection: sa.Connection, *, lock: bool = False) -> Head:
    """Return where the ledger ends; *lock* keeps other writers out on PostgreSQL."""
    statement = sa.select(HEAD.c.sequence, HEAD.c.hash)
    found = connection.execute(
        statement.with_for_update() if lock else statement
    ).first()
    return Head(*found) if found else Head()


def _newest(connection: sa.Connection) -> Head:
    found = connection.execute(
        sa.select(EVENTS.c.sequence, EVENTS.c.hash)
        .order_by(EVENTS.c.sequence.desc())
        .limit(1)
    ).first()
    return Head(*found) if found else Head()
