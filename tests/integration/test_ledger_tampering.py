"""C-57: rows of the ledger that were changed by hand, past Ekiben."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from ekiben.errors import CorruptLedger
from ekiben.registry.database import EVENTS, HEAD, LedgerDatabase
from tests.faults.ledger_children import (
    promote,
)


def engine(url: str) -> sa.Engine:
    """Return a way to the tables past Ekiben."""
    return sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))


def tamper(url: str, *statements: sa.Executable) -> None:
    """Do what the triggers forbid, as one who may take them away."""
    triggers = {
        "sqlite": ("changed", "deleted", "replaced"),
        "postgresql": ("kept",),
    }
    past = engine(url)
    on = "" if past.dialect.name == "sqlite" else " ON ledger_event"
    with past.begin() as connection:
        for name in triggers[past.dialect.name]:
            connection.execute(sa.text(f"DROP TRIGGER ledger_event_{name}{on}"))
        for statement in statements:
            connection.execute(statement)
    past.dispose()


def promoted(database: LedgerDatabase, *tags: str) -> None:
    for tag in tags:
        promote(database, tag, database.ledger().last(tag.partition(":")[0]))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda: EVENTS.update().values(reason="x"), id="update"),
        pytest.param(EVENTS.delete, id="delete"),
    ],
)
def test_the_database_itself_refuses_to_change_an_event(
    url: str, database: LedgerDatabase, change: Callable[[], sa.Executable]
) -> None:
    promoted(database, "iris:a")
    past = engine(url)

    with pytest.raises(sa.exc.DBAPIError, match="append-only"), past.begin() as writer:
        writer.execute(change())
    past.dispose()
    assert len(database.verified().events) == 1


def test_an_event_cannot_be_replaced_by_an_insert_either(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with LedgerDatabase.opened(f"sqlite:///{path}") as database:
        promoted(database, "iris:a")
    row = "INSERT OR REPLACE INTO ledger_event SELECT * FROM ledger_event"

    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        sqlite3.connect(path).execute(row)


@pytest.mark.parametrize(
    ("statement", "bad"),
    [
        pytest.param(
            EVENTS.update().where(EVENTS.c.sequence == 2).values(reason="x"),
            2,
            id="reason-edited",
        ),
        pytest.param(
            EVENTS.update().where(EVENTS.c.sequence == 2).values(report="{"),
            2,
            id="report-no-json",
        ),
        pytest.param(
            EVENTS.update().where(EVENTS.c.sequence == 3).values(created="noon"),
            3,
            id="time-no-time",
        ),
        pytest.param(
            EVENTS.update().where(EVENTS.c.sequence == 1).values(forced=True),
            1,
            id="forced-denied",
        ),
        pytest.param(EVENTS.delete().where(EVENTS.c.sequence == 2), 2, id="deleted"),
        pytest.param(EVENTS.delete().where(EVENTS.c.sequence == 4), 4, id="last-gone"),
        pytest.param(EVENTS.delete(), 1, id="all-gone"),
        pytest.param(HEAD.delete(), 1, id="head-gone"),
        pytest.param(HEAD.update().values(sequence=3), 4, id="head-set-back"),
        pytest.param(HEAD.update().values(hash="x"), 4, id="head-edited"),
    ],
)
def test_tampering_is_found_and_the_first_bad_event_is_named(
    url: str, statement: sa.Executable, bad: int
) -> None:
    with LedgerDatabase.opened(url) as database:
        promoted(database, "iris:a", "iris:b", "spam:a", "iris:c")
    tamper(url, statement)

    with (
        LedgerDatabase.opened(url) as database,
        pytest.raises(CorruptLedger) as refusal,
    ):
        database.verified()
    assert refusal.value.sequence == bad


def test_nothing_is_appended_behind_an_end_that_does_not_fit(url: str) -> None:
    with LedgerDatabase.opened(url) as database:
        promoted(database, "iris:a", "iris:b")
    tamper(url, EVENTS.delete().where(EVENTS.c.sequence == 2))

    with (
        LedgerDatabase.opened(url) as database,
        pytest.raises(CorruptLedger, match="event 2 is missing"),
    ):
        promote(database, "iris:c", seen=1)
