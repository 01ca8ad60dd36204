"""API keys and spent rows in the database that holds the ledger."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ekiben.access.keys import Key
from ekiben.access.quotas import Spent
from ekiben.access.rates import Rate
from ekiben.errors import KeyNotLive, UnknownKey
from ekiben.registry.database import WAIT_SECONDS, LedgerDatabase
from ekiben.registry.events import stamp

KEEP_DAYS = 35
"""Days that spent rows are kept: a month, for whoever asks what a key used."""

_tables = sa.MetaData()
KEYS = sa.Table(
    "access_key",
    _tables,
    sa.Column("id", sa.Text, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("name", "digest", "pepper")),
    *(sa.Column(name, sa.Text) for name in ("scopes", "use_cases")),
    *(sa.Column(name, sa.Text) for name in ("created", "created_by")),
    *(sa.Column(name, sa.Text) for name in ("expires", "revoked", "rate")),
    sa.Column("rows_per_day", sa.BigInteger),
)
VERSION = sa.Table(
    "access_version",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("version", sa.BigInteger),
)
SPENT = sa.Table(
    "access_spent",
    _tables,
    sa.Column("caller", sa.Text, primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True),
    sa.Column("rows", sa.BigInteger),
    sa.Column("last_used", sa.Float),
)


@dataclass(frozen=True)
class KeyDatabase:
    """The keys that several processes share; every method raises LedgerUnavailable
    when the database stays locked or out of reach for longer than it waits."""

    _database: LedgerDatabase

    @classmethod
    def open(cls, url: str, *, wait: float = WAIT_SECONDS) -> "KeyDatabase":
        """Open the database at *url*, making or migrating its tables where needed."""
        return cls(LedgerDatabase.open(url, wait=wait))

    @classmethod
    @contextmanager
    def opened(cls, url: str) -> Iterator["KeyDatabase"]:
        """Open the database for the length of a `with` block."""
        with LedgerDatabase.opened(url) as database:
            yield cls(database)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def version(self) -> int:
        """Return a number that changes with the keys; cheap, for polling."""
        with self._database.reading() as connection:
            return int(connection.scalar(sa.select(VERSION.c.version)) or 0)

    def read_all(self) -> list[Key]:
        """Return every key ever made, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(KEYS).order_by(KEYS.c.created))
            return [_read(row) for row in rows.mappings()]

    def add(self, key: Key) -> None:
        """Keep a new key."""
        with self._changing() as connection:
            connection.execute(KEYS.insert().values(_row(key)))

    def revoke(self, identity: str, at: datetime) -> Key:
        """Let the key open nothing any more; a revoked one keeps its time.

        Raises:
            UnknownKey: there is none of that id.
        """
        with self._changing() as connection:
            key = _find(connection, identity)
            if key.revoked is None:
                key = replace(key, revoked=at)
                _update(connection, key)
        return key

    def rotate(self, identity: str, new: Key, *, at: datetime, until: datetime) -> Key:
        """Keep *new*, and let the old key open doors *until* then at the latest.

        Raises:
            UnknownKey: there is no key of that id.
            KeyNotLive: it opens nothing at *at*.
        """
        with self._changing() as connection:
            old = _find(connection, identity)
            if (state := old.state(at)) != "live":
                raise KeyNotLive(identity, state)
            old = replace(old, expires=min(until, old.expires or until))
            _update(connection, old)
            connection.execute(KEYS.insert().values(_row(new)))
        return old

    def find(self, identity: str) -> Key:
        """Return one key.

        Raises:
            UnknownKey: there is none of that id.
        """
        with self._database.reading() as connection:
            return _find(connection, identity)

    def spend(self, spent: Iterable[Spent]) -> None:
        """Add rows to what callers have spent already, and forget what is old."""
        rows = [vars_of(one) for one in spent]
        if not rows:
            return
        with self._database.writing() as connection:
            # In one order everywhere, so that two workers do not wait for each other.
            rows.sort(key=lambda row: (row["caller"], row["day"]))
            connection.execute(_upsert(connection.dialect.name), rows)
            oldest = max(int(row["day"]) for row in rows) - KEEP_DAYS
            connection.execute(SPENT.delete().where(SPENT.c.day < oldest))

    def spent_on(self, day: int) -> Mapping[str, int]:
        """Return the rows by caller that were spent on *day*, in days since 1970."""
        with self._database.reading() as connection:
            statement = sa.select(SPENT.c.caller, SPENT.c.rows)
            found = connection.execute(statement.where(SPENT.c.day == day))
            return {row.caller: row.rows for row in found}

    def last_used(self) -> Mapping[str, datetime]:
        """Return by caller when it was last seen, to about half a minute."""
        with self._database.reading() as connection:
            last = sa.func.max(SPENT.c.last_used).label("last")
            found = connection.execute(
                sa.select(SPENT.c.caller, last).group_by(SPENT.c.caller)
            )
            return {row.caller: datetime.fromtimestamp(row.last, UTC) for row in found}

    @contextmanager
    def _changing(self) -> Iterator[sa.Connection]:
        with self._database.writing() as connection:
            # First, so that of two writers one waits here.
            connection.execute(VERSION.update().values(version=VERSION.c.version + 1))
            yield connection


def vars_of(spent: Spent) -> dict[str, str | int | float]:
    """Return the columns of *spent*."""
    return {name: getattr(spent, name) for name in Spent.__slots__}


def _upsert(dialect: str) -> sa.Insert:
    # Each dialect has an insert of its own for this; both are written the same.
    made = sqlite.insert(SPENT) if dialect == "sqlite" else postgresql.insert(SPENT)
    greater = sa.case(
        (made.excluded.last_used > SPENT.c.last_used, made.excluded.last_used),
        else_=SPENT.c.last_used,
    )
    return made.on_conflict_do_update(
        index_elements=["caller", "day"],
        set_={"rows": SPENT.c.rows + made.excluded.rows, "last_used": greater},
    )


def _find(connection: sa.Connection, identity: str) -> Key:
    found = connection.execute(sa.select(KEYS).where(KEYS.c.id == identity))
    row = found.mappings().first()
    if row is None:
        raise UnknownKey(identity)
    return _read(row)


def _update(connection: sa.Connection, key: Key) -> None:
    row = _row(key)
    times = {name: row[name] for name in ("expires", "revoked")}
    connection.execute(KEYS.update().where(KEYS.c.id == key.id).values(times))


def _row(key: Key) -> dict[str, object]:
    return {
        **{name: getattr(key, name) for name in ("id", "name", "digest", "pepper")},
        "scopes": " ".join(key.scopes),
        "use_cases": " ".join(key.use_cases),
        "created": stamp(key.created),
        "created_by": key.created_by,
        "expires": stamp(key.expires) if key.expires else None,
        "revoked": stamp(key.revoked) if key.revoked else None,
        "rate": str(key.rate) if key.rate else None,
        "rows_per_day": key.rows_per_day,
    }


def _read(row: sa.RowMapping) -> Key:
    fields = dict(row)
    for name in ("created", "expires", "revoked"):
        text = fields[name]
        fields[name] = datetime.fromisoformat(text) if text else None
    return Key(
        **{
            **fields,
            "scopes": tuple(row["scopes"].split()),
            "use_cases": tuple(row["use_cases"].split()),
            "rate": Rate.parse(row["rate"]) if row["rate"] else None,
        }
    )
