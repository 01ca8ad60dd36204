"""Tables are made right whoever else of this process makes others at the same moment."""

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from ekiben.errors import LedgerTooNew
from ekiben.monitoring.store import PredictionStore
from ekiben.registry.database import EVENTS, LedgerDatabase
from ekiben.registry.migrating import Migrations

THREADS = 6
ROUNDS = 5


def test_threads_that_open_their_databases_at_once_make_all_tables(
    tmp_path: Path,
) -> None:
    """A worker opens its log, its ledger and its keys from threads of their own."""
    faults: list[BaseException] = []
    tables: list[set[str]] = []
    for number in range(ROUNDS):
        begin = threading.Barrier(THREADS)

        def make(
            place: int, number: int = number, begin: threading.Barrier = begin
        ) -> None:
            url = f"sqlite:///{tmp_path / f'{number}-{place}.db'}"
            begin.wait()
            try:
                (PredictionStore, LedgerDatabase)[place % 2].open(url).close()
                tables.append(set(sa.inspect(sa.create_engine(url)).get_table_names()))
            except BaseException as error:
                faults.append(error)

        threads = [
            threading.Thread(target=make, args=(one,), daemon=True)
            for one in range(THREADS)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join(20)
            assert not one.is_alive()

    assert not faults
    assert len(tables) == THREADS * ROUNDS
    assert all({"feedback"} <= one or {EVENTS.name} <= one for one in tables)


@pytest.mark.parametrize(
    ("known", "there", "right"),
    [
        ("0004", "0004", True),
        ("0004", "0004.1", True),
        ("0004.1", "0004.10", True),
        ("0004.10", "0004.9", False),
        ("0004.1", "0004", False),
        ("0004", "0005", False),
        ("0004.2", "0005.2", False),
        ("0004", None, False),
    ],
)
def test_tables_are_right_as_they_are_where_something_was_only_added(
    tmp_path: Path, known: str, there: str | None, right: bool
) -> None:
    """Where they are not, the steps are looked for, which the place named here has not."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'some.db'}")
    if there is not None:
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE version (version_num TEXT)"))
            told = sa.text("INSERT INTO version VALUES (:there)")
            connection.execute(told, {"there": there})
    looked = False
    try:
        Migrations(str(tmp_path / "none"), known, "version").apply(engine, 1)
    except LedgerTooNew:
        looked = True
    assert looked != right
