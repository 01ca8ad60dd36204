"""The log's database as its writer needs it: one connection that is opened anew whenever that helps."""

import ctypes
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ekiben.errors import LedgerUnavailable, LogUnavailable
from ekiben.monitoring.entries import Line
from ekiben.monitoring.store import PredictionStore, make_private, unavailable
from ekiben.monitoring.tables import REQUESTS
from ekiben.registry.engines import available

STATEMENT_LINES = (100, 10, 1)
"""Lines that one statement takes: a few fixed numbers, so that each is compiled once.
A statement of many lines gives the interpreter's lock away once, not once a line."""
COLUMNS = [column.name for column in REQUESTS.columns]
REPLACED = "the file is replaced again and again"

FileIdentity = tuple[int, int]


class Sink:
    """Writes lines, all of a call or none; for one thread. Nothing is opened before the first call.

    *durable*: what is written outlives a power cut, not only the process.
    """

    def __init__(self, url: str, *, durable: bool, wait: float) -> None:
        self._url = url
        self._durable = durable
        self._wait = wait
        self._store: PredictionStore | None = None
        self._connection: sa.Connection | None = None
        self._file: FileIdentity | None = None
        parsed = sa.make_url(url)
        sqlite = parsed.get_backend_name() == "sqlite"
        self._path = Path(parsed.database or "") if sqlite else None

    def open(self) -> None:
        """Open the log, making its tables where needed.

        Raises:
            LogUnavailable: it cannot be reached or written.
        """
        self._opened()

    def write(self, lines: Sequence[Line]) -> None:
        """Write *lines*; one that is there already is left as it is.

        Raises:
            LogUnavailable: they are not written, or on PostgreSQL that is unknown.
        """
        try:
            for _ in range(3):
                self._insert(self._opened(), lines)
                # Deleted or moved before this was committed: it may be lost with the file.
                if not self._moved():
                    return
            raise LogUnavailable(REPLACED)
        except LogUnavailable:
            # A connection opened while the disk was read-only stays so for ever.
            self.close()
            raise

    def contains(self, key: str) -> bool:
        """Whether the log has the request with this *key*.

        Raises:
            LogUnavailable: it cannot be read.
        """
        wanted = sa.select(REQUESTS.c.key).where(REQUESTS.c.key == key)
        connection = self._opened()
        with unavailable(), available(connection.dialect.name, self._wait):
            found = connection.execute(wanted).first()
            connection.rollback()
        return found is not None

    def close(self) -> None:
        """Close the connection; a call of `write` opens another."""
        connection, self._connection = self._connection, None
        store, self._store = self._store, None
        if connection is not None and self._moved():
            _abandon(connection)
        elif connection is not None:
            with suppress(LedgerUnavailable), available("sqlite", self._wait):
                connection.close()
        if store is not None:
            store.close()

    def _opened(self) -> sa.Connection:
        if self._connection is not None and self._moved():
            self.close()
        if self._connection is None:
            if self._path is not None:
                with unavailable():
                    _sweep(self._path)
            self._store = PredictionStore.open(self._url, wait=self._wait)
            self._connection = self._store.connect()
            self._file = self._found()
            if self._path is not None and not self._durable:
                raw: Any = self._connection.connection.driver_connection
                raw.execute("PRAGMA synchronous=NORMAL")
        return self._connection

    def _insert(self, connection: sa.Connection, lines: Sequence[Line]) -> None:
        dialect = connection.dialect.name
        with (
            unavailable(),
            available(dialect, self._wait),
            connection.begin(),
        ):
            start = 0
            for size in STATEMENT_LINES:
                while len(lines) - start >= size:
                    chunk = lines[start : start + size]
                    values = tuple(chain.from_iterable(chunk))
                    connection.exec_driver_sql(_statement(dialect, size), values)
                    start += size

    def _found(self) -> FileIdentity | None:
        """Return which file is at the path now; None: there is none, or no SQLite."""
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _moved(self) -> bool:
        return self._path is not None and self._found() != self._file


@cache
def _statement(dialect: str, rows: int) -> str:
    mark = "?" if dialect == "sqlite" else "%s"
    row = f"({', '.join([mark] * len(COLUMNS))})"
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    values = ", ".join([row] * rows)
    return (
        f"INSERT INTO {REQUESTS.name} ({names}) VALUES {values}"
        " ON CONFLICT (key) DO NOTHING"
    )


def _sweep(file: Path) -> None:
    """Remove what a log that was deleted or moved away has left beside it.

    Another writer may still have these open; with a new file they would spoil it.

    Raises:
        LogUnavailable: the directory cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _opened(file.with_name(f"{file.name}.lock")) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if file.exists():
                return
            for ending in ("-wal", "-shm"):
                file.with_name(file.name + ending).unlink(missing_ok=True)
            make_private(file)
    except OSError as error:
        raise LogUnavailable(str(error.strerror)) from error


@contextmanager
def _opened(file: Path) -> Iterator[int]:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _abandon(connection: sa.Connection) -> None:
    """Finish the file that *connection* has, which is elsewhere now, and never close it.

    Closing the last connection removes the write-ahead log by its name, and that may be
    the one of the file which stands in its place by now.
    """
    raw: Any = connection.connection.driver_connection
    connection.detach()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(raw))
    with suppress(Exception):
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
