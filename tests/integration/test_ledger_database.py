"""The ledger in SQLite and in PostgreSQL: what is kept, locked, away, or new."""

import signal
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import JsonValue

from ekiben.errors import Conflict, LedgerUnavailable
from ekiben.registry.database import WAIT_SECONDS, LedgerDatabase
from ekiben.registry.events import Grounds
from tests.faults.ledger_children import (
    hold,
    open_at_once,
    promote,
)
from tests.forking import forkserver
from tests.postgres import Postgres
from tests.timing import at_most, measures_time

processes = forkserver()

RACERS = 8
SHORT = 0.3
"""Seconds to wait for a lock in tests that are not about the five."""


def engine(url: str) -> sa.Engine:
    """Return a way to the tables past Ekiben."""
    return sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))


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


def test_what_a_newer_ekiben_only_added_to_a_ledger_leaves_it_usable(url: str) -> None:
    LedgerDatabase.open(url).close()
    past = engine(url)
    with past.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ledger_event ADD COLUMN more TEXT"))
        added = "UPDATE alembic_version SET version_num = version_num || '.1'"
        connection.execute(sa.text(added))
    past.dispose()

    with LedgerDatabase.opened(url) as database:
        promoted(database, "iris:a", "iris:b")
    with LedgerDatabase.opened(url) as database:
        assert [one.to_tag for one in database.verified().events] == [
            "iris:a",
            "iris:b",
        ]


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


@measures_time
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

    assert wait <= waited
    assert len(database.verified().events) == 1
    promote(database, "iris:b", seen=1)
    database.close()
    at_most(wait + 1, waited)


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


@measures_time
@pytest.mark.alone
def test_a_poll_of_sqlite_takes_less_than_a_millisecond(tmp_path: Path) -> None:
    with LedgerDatabase.opened(f"sqlite:///{tmp_path / 'ledger.db'}") as database:
        promoted(database, "iris:a")
        taken = []
        for _ in range(200):
            started = time.perf_counter()
            database.head_sequence()
            taken.append(time.perf_counter() - started)

    at_most(1e-3, statistics.median(taken))
