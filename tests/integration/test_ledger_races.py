"""C-44, C-45, C-56: promotions at once, and processes that are killed in the middle of one."""

import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ekiben import upkeep
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.store import Store
from tests.faults.ledger_children import (
    promote,
    promote_for_ever,
    race,
    race_to_move,
    release_for_ever,
)
from tests.forking import forkserver
from tests.tiny import productions_of, register

processes = forkserver()

RACERS = 8


def some_or_all(some: int, everything: int) -> Any:
    """A few rounds for every day; all of them in the slow tier."""
    return pytest.mark.parametrize(
        "rounds",
        [
            pytest.param(some, id="some"),
            pytest.param(everything, marks=pytest.mark.slow, id="all"),
        ],
    )


def racing(target: Callable[..., None], url: str, rounds: int) -> list[int]:
    """Let RACERS processes run *target*; return the rounds that each of them won."""
    barrier = processes.Barrier(RACERS)
    racers, told = [], []
    for number in range(RACERS):
        here, there = processes.Pipe(duplex=False)
        racer = processes.Process(
            target=target, args=(url, rounds, barrier, there), name=str(number)
        )
        racer.start()
        racers.append(racer)
        told.append(here)
    won: list[int] = [number for one in told for number in one.recv()]
    for racer in racers:
        racer.join()
    return won


@pytest.mark.timeout(900)
@some_or_all(20, 200)
def test_of_many_promotions_at_once_exactly_one_wins(url: str, rounds: int) -> None:
    won = racing(race, url, rounds)

    assert sorted(won) == list(range(rounds))
    with LedgerDatabase.opened(url) as database:
        assert [one.sequence for one in database.verified().events] == list(
            range(1, rounds + 1)
        )


@pytest.mark.timeout(900)
@some_or_all(20, 200)
def test_c45_of_promotions_and_rollbacks_at_once_one_wins_each_round(
    url: str, rounds: int
) -> None:
    with LedgerDatabase.opened(url) as database:
        promote(database, "iris:a", 0)
        promote(database, "iris:b", 1)

    won = racing(race_to_move, url, rounds)

    # In a round in which only rollbacks come first, there may be nothing to go back to.
    assert len(won) == len(set(won))
    assert len(won) > rounds // 2
    with LedgerDatabase.opened(url) as database:
        events = database.verified().events
    assert [one.sequence for one in events] == list(range(1, len(won) + 3))
    assert {one.action for one in events} == {"promote", "rollback"}


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
