"""What the ledger's tests run in processes that race, die or hold a lock."""

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import current_process
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from ekiben import releases, upkeep
from ekiben.errors import AlreadyProduction, Conflict, NothingToRollBack
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Event, Grounds
from ekiben.registry.store import Store


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
            barrier.wait(300)
            try:
                promote(database, f"iris:r{number}p{os.getpid()}", seen)
                won.append(number)
            except Conflict:
                pass
            barrier.wait(300)
    told.send(won)


def race_to_move(url: str, rounds: int, barrier: Barrier, told: Connection) -> None:
    """Promote in each round, or roll back: whichever this process does, others do too."""
    won = []
    # Ids of processes may all be even.
    back = int(current_process().name) % 2
    with LedgerDatabase.opened(url) as database:
        for number in range(rounds):
            seen = database.ledger().last("iris")
            barrier.wait(300)
            try:
                if back:
                    roll_back(database, seen)
                else:
                    promote(database, f"iris:r{number}p{os.getpid()}", seen)
                won.append(number)
            except (Conflict, NothingToRollBack):
                pass
            barrier.wait(300)
    told.send(won)


def race_over(
    versions: Sequence[tuple[str, str]],
    url: str,
    rounds: int,
    barrier: Barrier,
    told: Connection,
) -> None:
    """Move production between *versions*, tags with digests; tell how often it worked."""
    won = []
    with LedgerDatabase.opened(url) as database:
        for number in range(rounds):
            turn = int(current_process().name) + number
            seen = database.ledger().last("iris")
            barrier.wait(300)
            try:
                if turn % 3:
                    promote_in(database, *versions[turn % len(versions)], seen=seen)
                else:
                    roll_back(database, seen)
                won.append(number)
            except (Conflict, NothingToRollBack, AlreadyProduction):
                pass
            barrier.wait(300)
    told.send(won)


def promote_in(database: LedgerDatabase, tag: str, digest: str, *, seen: int) -> Event:
    """Promote *tag*, whose artefact has *digest*."""
    return database.append(
        "iris",
        lambda ledger: ledger.promote(
            "iris",
            tag,
            digest,
            Grounds(actor="a test"),
            seen=seen,
            at=datetime.now(UTC),
        ),
    )


def roll_back(database: LedgerDatabase, seen: int) -> Event:
    """Go back to the version before, whose artefact nobody looks at."""
    grounds = Grounds(actor="a test")
    return database.append(
        "iris",
        lambda ledger: ledger.rollback(
            "iris", grounds, seen=seen, at=datetime.now(UTC)
        ),
    )


def open_at_once(url: str, barrier: Barrier) -> None:
    """Open a ledger that is not there yet, together with others."""
    barrier.wait(300)
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


@dataclass(frozen=True)
class Passed:
    """Gates that let everything through."""

    passed: bool = True
    failed: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()

    def facts(self) -> JsonValue:
        return {"passed": True}


def passing(candidate: str, incumbent: str | None) -> Passed:
    """Pass without a look."""
    return Passed()


def release_for_ever(home: Path, url: str, told: Connection) -> None:
    """Promote, roll back and prune until killed; tell when the first one is done."""
    store, database = Store.at(home), LedgerDatabase.open(url)
    use: dict[str, Any] = {"store": store, "ledger": database}
    while True:
        known = database.ledger()
        production = known.production("iris")
        live = production.tag if production else None
        tag = next(one for one in store.entries("iris") if one != live)
        releases.promote("iris", tag, gates=passing, actor="a test", **use)
        told.send("ready")
        if len(database.ledger().line("iris")) > 3:
            releases.rollback("iris", actor="a test", **use)
        upkeep.prune(["iris"], keep=3, **use)
