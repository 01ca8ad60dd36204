"""What a server reads from the ledger, and what it makes of one that was changed by hand."""

import gc
import logging
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ekiben.errors import CorruptLedger
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Event, Grounds
from ekiben.registry.store import Store
from ekiben.serving.sources import LedgerReleases
from tests.tiny import promote_in


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def database(file: Path) -> Iterator[LedgerDatabase]:
    with LedgerDatabase.opened(f"sqlite:///{file}") as opened:
        promote_in(opened, "iris:a")
        promote_in(opened, "iris:b")
        yield opened


@pytest.fixture
def releases(database: LedgerDatabase, file: Path) -> LedgerReleases:
    return LedgerReleases(f"sqlite:///{file}", lambda: Store.at(file.parent))


def tampered(file: Path, *statements: str) -> None:
    with sqlite3.connect(file) as past:
        for name in ("changed", "deleted"):
            past.execute(f"DROP TRIGGER IF EXISTS ledger_event_{name}")
        for statement in statements:
            past.execute(statement)


def chosen(releases: LedgerReleases) -> str | None:
    choice = releases.choose("iris")
    return choice.tag if choice else None


FORGED = (
    "INSERT INTO ledger_event SELECT 3, use_case, action, alias, 'iris:b', 'iris:evil',"
    " weight, actor, reason, forced, report, digest, created, effective, hash, 'forged'"
    " FROM ledger_event WHERE sequence = 2",
    "UPDATE ledger_head SET sequence = 3, hash = 'forged'",
)


def test_new_events_are_read_as_they_come(
    database: LedgerDatabase, releases: LedgerReleases
) -> None:
    assert chosen(releases) == "iris:b"

    promote_in(database, "iris:c")
    promote_in(database, "iris:d")

    assert chosen(releases) == "iris:d"


def test_no_report_of_the_gates_is_kept(
    database: LedgerDatabase, releases: LedgerReleases
) -> None:
    def move(tag: str) -> None:
        grounds = Grounds(actor="a test", report={"gates": [tag]})
        database.append(
            "iris",
            lambda found: found.promote(
                "iris", tag, "0" * 64, grounds,
                seen=found.last("iris"), at=datetime.now(UTC),
            ),
        )  # fmt: skip

    move("iris:c")
    assert chosen(releases) == "iris:c"
    move("iris:d")
    assert chosen(releases) == "iris:d"

    gc.collect()  # of other tests, too
    held = [one for one in gc.get_objects() if isinstance(one, Event)]
    ours = [one for one in held if one.to_tag in ("iris:c", "iris:d")]
    assert {one.to_tag for one in ours} == {"iris:c", "iris:d"}
    assert all(one.report is None for one in ours)


def test_c57_a_forged_move_is_not_followed(
    file: Path, releases: LedgerReleases
) -> None:
    before = chosen(releases)
    tampered(file, *FORGED)

    for _ in range(2):
        with pytest.raises(CorruptLedger, match="event 3 was changed"):
            chosen(releases)
    assert before == "iris:b"


def test_c57_a_server_that_starts_says_which_event_is_bad_and_serves(
    file: Path, releases: LedgerReleases, caplog: pytest.LogCaptureFixture
) -> None:
    tampered(file, "UPDATE ledger_event SET reason = 'x' WHERE sequence = 1")

    with caplog.at_level(logging.ERROR):
        assert chosen(releases) == "iris:b"
    (record,) = caplog.records
    assert record.__dict__["reason"] == "ledger event 1 was changed: its hash is wrong"


def test_a_sound_ledger_that_lost_events_is_followed(
    database: LedgerDatabase, file: Path, releases: LedgerReleases
) -> None:
    with sqlite3.connect(file) as past:
        earlier = past.execute("SELECT sequence, hash FROM ledger_head").fetchone()
    promote_in(database, "iris:c")
    assert chosen(releases) == "iris:c"
    tampered(
        file,
        "DELETE FROM ledger_event WHERE sequence = 3",
        f"UPDATE ledger_head SET sequence = {earlier[0]}, hash = '{earlier[1]}'",
    )

    assert chosen(releases) == "iris:b"
