"""What the ledger's tests run in processes that race, die or hold a lock."""

import os
import sqlite3
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from ekiben.errors import Conflict
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Event, Grounds


def promote(
    database: LedgerDatabase, tag: str, seen: int, actor: str = "a test"
) -> Event:
    """Promote *tag*, whose artefact nobody looks at."""
    use_case = tag.partition(":")[0]
    grounds = Grounds(actor=actor)
    return database.append(
        use_case,
        lambda ledger: ledger.promote(
            use_case, tag, "d", grounds, seen=seen, at=datetime.now(UTC)
        ),
    )


def race(url: str, rounds: int, barrier: Barrier, told: Connection) -> None:
    """Promote in each round what no other does, and tell in which rounds it worked."""
    won = []
    with LedgerDatabase.opened(url) as database:
        for number in range(rounds):
            seen = database.ledger().last("iris")
            barrier.wait(60)
            try:
                promote(database, f"iris:r{number}p{os.getpid()}", seen)
                won.append(number)
            except Conflict:
                pass
            barrier.wait(60)
    told.send(won)


def open_at_once(url: str, barrier: Barrier) -> None:
    """Open a ledger that is not there yet, together with others."""
    barrier.wait(60)
    LedgerDatabase.open(url).close()


def promote_for_ever(url: str, told: Connection) -> None:
    """Promote until killed; tell the sequence of each event that was acknowledged."""
    database = LedgerDatabase.open(url)
    seen = database.ledger().last("iris")
    while True:
        seen = promote(database, f"iris:v{seen + 1}", seen).sequence
        told.send(seen)


def hold(path: str, held: Connection) -> None:
    """Keep the only writer's lock of a SQLite file until told to let go."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    held.send("held")
    held.recv()
    connection.execute("ROLLBACK")
