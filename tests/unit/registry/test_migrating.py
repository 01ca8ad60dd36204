"""Tables are made right whoever else of this process makes others at the same moment."""

import threading
from pathlib import Path

import sqlalchemy as sa

from ekiben.monitoring.store import PredictionStore
from ekiben.registry.database import EVENTS, LedgerDatabase

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
