"""How the ledger's database is reached: SQLite or PostgreSQL, and for how long it is waited for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ekiben.errors import EkibenError, LedgerUnavailable

SERVER_SHARE = 0.9
"""Of the wait: PostgreSQL gives up a little before we do, and can say what it waited for."""
PAGE_BYTES = 8192
"""Of a new SQLite file. A record of a thousand rows fills dozens of pages, each a call or two."""


def make_engine(url: str, wait: float, **sqlite_options: Any) -> sa.Engine:
    """Return a way to the database at *url*; nothing is connected yet.

    *sqlite_options* are SQLAlchemy's, for a SQLite file alone.

    Raises:
        LedgerUnavailable: the directory of a SQLite file cannot be made.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return _postgres_engine(parsed, wait)
    try:
        Path(parsed.database or "").parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerUnavailable(str(error.strerror)) from error
    engine = sa.create_engine(parsed, connect_args={"timeout": wait}, **sqlite_options)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def available(dialect: str, wait: float) -> Iterator[None]:
    """Turn what the driver says into one line without SQL or values.

    On PostgreSQL the whole block may take *wait* seconds; SQLite waits for its lock.

    Raises:
        LedgerUnavailable: whatever the driver raised.
    """
    try:
        with _limited(dialect, wait):
            yield
    except EkibenError:
        raise
    except DBAPIError as error:
        lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        raise LedgerUnavailable(lines[0]) from error
    except SQLAlchemyError as error:
        raise LedgerUnavailable(type(error).__name__) from error


@contextmanager
def _limited(dialect: str, wait: float) -> Iterator[None]:
    if dialect == "sqlite":
        yield
        return
    # Imported late: who keeps the ledger in SQLite need not wait for psycopg.
    from ekiben.registry.postgres import limited

    with limited(wait):
        yield


def _postgres_engine(url: sa.URL, wait: float) -> sa.Engine:
    milliseconds = round(wait * SERVER_SHARE * 1000)
    options = (
        f"-c lock_timeout={milliseconds} -c statement_timeout={milliseconds}"
        " -c synchronous_commit=on"
    )
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        connect_args={"connect_timeout": max(2, round(wait)), "options": options},
    )
    sa.event.listen(engine, "do_connect", _connect_postgres)
    return engine


def _connect_postgres(
    _dialect: object, _record: object, arguments: Any, parameters: Any
) -> Any:
    from ekiben.registry.postgres import connect

    return connect(*arguments, **parameters)


def _prepare_sqlite(connection: Any, _: object) -> None:
    # The driver's own BEGIN comes late and never before DDL: `_begin_sqlite` says it.
    connection.isolation_level = None
    connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads first and then writes fails at once when another wrote.
    write = connection.get_execution_options().get("write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
