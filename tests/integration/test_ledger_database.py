"""The ledger in SQLite and in PostgreSQL: races, locks, kills, and rows changed by hand."""

import multiprocessing
import random
import signal
import sqlite3
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import JsonValue

from ekiben import upkeep
from ekiben.errors import Conflict, CorruptLedger, LedgerUnavailable
from ekiben.registry.database import EVENTS, HEAD, WAIT_SECONDS, LedgerDatabase
from ekiben.registry.events import Grounds
from ekiben.registry.store import Store
from tests.faults.ledger_children import (
    hold,
    open_at_once,
    promote,
    promote_for_ever,
    race,
    release_for_ever,
)
from tests.postgres import Postgres
from tests.tiny import productions_of, register

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.faults.ledger_children"])

RACERS = 8
SHORT = 0.3
"""Seconds to wait for a lock in tests that are not about the five."""


def some_or_all(some: int, everything: int) -> Any:
    """A few rounds for every day; all of them in the slow tier."""
    return pytest.mark.parametrize(
        "rounds",
        [
            pytest.param(some, id="some"),
            pytest.param(everything, marks=pytest.mark.slow, id="all"),
        ],
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


def test_what_was_appended_is_read_back_the_same(database: LedgerDatabase) -> None:
    report: JsonValue = {
        "passed": True,
        "f1": 0.1 + 0.2,
        "tiny": -0.0,
        "é": ["\u2028", None, 3],
    }
    grounds = Grounds(actor="ada", reason="ümläut", forced=True, report=report)
    at = datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=UTC)

    event = database.append(
        "iris",
        lambda found: found.promote("iris", "iris:a", "d", grounds, seen=0, at=at),
    )

    assert database.verified().events == (event,)
    assert event.report == report
    assert event.created == at
    assert database.head_sequence() == 1


def test_a_follower_reads_only_what_is_new(database: LedgerDatabase) -> None:
    promoted(database, "iris:a", "spam:a", "iris:b")

    events, head = database.news(1)
    assert [one.to_tag for one in events] == ["spam:a", "iris:b"]
    assert (head.sequence, head.hash) == (3, events[-1].hash)
    assert database.news(3) == ([], head)


def test_a_transition_that_raises_leaves_nothing(database: LedgerDatabase) -> None:
    promoted(database, "iris:a", "iris:b")

    with pytest.raises(Conflict):
        promote(database, "iris:c", seen=1)

    assert database.head_sequence() == 2
    assert len(database.verified().events) == 2


def test_a_second_opening_finds_the_tables_made(url: str) -> None:
    with LedgerDatabase.opened(url) as database:
        promoted(database, "iris:a")
    with LedgerDatabase.opened(url) as database:
        assert len(database.verified().events) == 1


def test_a_ledger_of_a_newer_ekiben_is_left_alone(url: str) -> None:
    LedgerDatabase.open(url).close()
    past = engine(url)
    version = sa.table("alembic_version", sa.column("version_num"))
    with past.begin() as connection:
        connection.execute(version.update().values(version_num="9999"))
    past.dispose()

    with pytest.raises(LedgerUnavailable, match="a newer Ekiben made it"):
        LedgerDatabase.open(url)


def test_many_that_open_a_new_ledger_at_once_make_it_once(url: str) -> None:
    barrier = processes.Barrier(RACERS)
    openers = [
        processes.Process(target=open_at_once, args=(url, barrier))
        for _ in range(RACERS)
    ]
    for one in openers:
        one.start()
    for one in openers:
        one.join()

    assert [one.exitcode for one in openers] == [0] * RACERS


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


@pytest.mark.timeout(900)
@some_or_all(20, 200)
def test_of_many_promotions_at_once_exactly_one_wins(url: str, rounds: int) -> None:
    barrier = processes.Barrier(RACERS)
    racers, told = [], []
    for _ in range(RACERS):
        here, there = processes.Pipe(duplex=False)
        racer = processes.Process(target=race, args=(url, rounds, barrier, there))
        racer.start()
        racers.append(racer)
        told.append(here)
    won = [number for one in told for number in one.recv()]
    for racer in racers:
        racer.join()

    assert sorted(won) == list(range(rounds))
    with LedgerDatabase.opened(url) as database:
        assert [one.sequence for one in database.verified().events] == list(
            range(1, rounds + 1)
        )


@pytest.mark.timeout(900)
@some_or_all(20, 500)
def test_a_kill_at_any_moment_leaves_one_chain_with_all_that_was_acknowledged(
    tmp_path: Path, rounds: int
) -> None:
    path = tmp_path / "ledger.db"
    url = f"sqlite:///{path}"
    chance = random.Random(56)
    for _ in range(rounds):
        here, there = processes.Pipe(duplex=False)
        child = processes.Process(target=promote_for_ever, args=(url, there))
        child.start()
        there.close()
        acknowledged = here.recv()
        time.sleep(chance.uniform(0, 0.02))
        child.kill()
        child.join()
        while here.poll():
            try:
                acknowledged = here.recv()
            except EOFError:
                break

        with LedgerDatabase.opened(url) as database:
            assert database.head_sequence() >= acknowledged
            assert len(database.verified().events) == database.head_sequence()
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.timeout(900)
@some_or_all(15, 200)
def test_a_kill_of_promote_and_rollback_leaves_no_half_state(
    tmp_path: Path, rounds: int
) -> None:
    url, store = f"sqlite:///{tmp_path}/ledger.db", Store.at(tmp_path)
    chance = random.Random(44)
    for number in range(6):
        register(store, version=f"v{number}")
    for _ in range(rounds):
        here, there = processes.Pipe(duplex=False)
        arguments = (tmp_path, url, there)
        child = processes.Process(target=release_for_ever, args=arguments)
        child.start()
        here.recv()
        time.sleep(chance.uniform(0, 0.1))
        child.kill()
        child.join()

        with LedgerDatabase.opened(url) as database:
            assert upkeep.verify(store, database, ["iris"]).faults == ()
            (production,) = productions_of(database).values()
            assert store.verify(production.tag).digest == production.digest


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        pytest.param(SHORT, SHORT, id="short"),
        pytest.param(WAIT_SECONDS, 30, marks=pytest.mark.slow, id="thirty-seconds"),
    ],
)
def test_a_lock_that_stays_is_told_in_time_and_readers_do_not_mind(
    tmp_path: Path, wait: float, seconds: float
) -> None:
    path = tmp_path / "ledger.db"
    database = LedgerDatabase.open(f"sqlite:///{path}", wait=wait)
    promoted(database, "iris:a")
    here, there = processes.Pipe()
    child = processes.Process(target=hold, args=(str(path), there))
    child.start()
    here.recv()
    started = time.monotonic()

    with pytest.raises(LedgerUnavailable, match="locked"):
        promote(database, "iris:b", seen=1)
    waited = time.monotonic() - started
    assert database.head_sequence() == 1
    time.sleep(max(0.0, seconds - waited))
    here.send("let go")
    child.join()

    assert wait <= waited < wait + 1
    assert len(database.verified().events) == 1
    promote(database, "iris:b", seen=1)
    database.close()


def test_a_lock_that_goes_in_time_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with LedgerDatabase.opened(f"sqlite:///{path}") as database:
        here, there = processes.Pipe()
        child = processes.Process(target=hold, args=(str(path), there))
        child.start()
        here.recv()
        here.send("let go, once this is read")
        promote(database, "iris:a", seen=0)
        child.join()

        assert database.head_sequence() == 1


def test_postgresql_away_is_told_and_back_is_used_without_reopening(
    postgres_server: Postgres,
) -> None:
    with LedgerDatabase.opened(postgres_server.new_database()) as database:
        promoted(database, "iris:a")
        postgres_server.stop(signal.SIGQUIT)
        try:
            for call in (
                database.head_sequence,
                database.verified,
                lambda: promote(database, "iris:b", seen=1),
            ):
                with pytest.raises(LedgerUnavailable):
                    call()
        finally:
            postgres_server.start()

        assert database.head_sequence() == 1
        promote(database, "iris:b", seen=1)
        assert len(database.verified().events) == 2


def test_a_server_that_is_not_there_is_told_without_its_password(
    postgres_server: Postgres,
) -> None:
    url = "postgresql://ada:s3cret@127.0.0.1:1/ledger"

    with pytest.raises(LedgerUnavailable, match="refused") as refusal:
        LedgerDatabase.open(url)
    assert "s3cret" not in str(refusal.value)


def test_what_is_no_database_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database" * 1000)

    with pytest.raises(LedgerUnavailable, match="not a database"):
        LedgerDatabase.open(f"sqlite:///{tmp_path / 'ledger.db'}")


def test_a_poll_of_sqlite_takes_less_than_a_millisecond(tmp_path: Path) -> None:
    with LedgerDatabase.opened(f"sqlite:///{tmp_path / 'ledger.db'}") as database:
        promoted(database, "iris:a")
        taken = []
        for _ in range(200):
            started = time.perf_counter()
            database.head_sequence()
            taken.append(time.perf_counter() - started)

    assert statistics.median(taken) < 1e-3
