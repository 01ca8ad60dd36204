"""C-15: random sequences of releases, on real files, against a plain-Python model of the ledger."""

import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from ekiben import releases, upkeep
from ekiben.errors import (
    AlreadyProduction,
    NeverProduction,
    NothingToRollBack,
    PromotionRefused,
    RollbackRefused,
    UnknownModel,
)
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import LEAD
from ekiben.registry.ledger import production_at
from ekiben.registry.store import Store
from tests.faults.ledger_children import passing
from tests.postgres import Postgres
from tests.tiny import NOON, register, trained

numbers = st.integers(0, 9)


@dataclass(frozen=True)
class Failed:
    """A report of gates that let nothing through."""

    passed: bool = False
    failed: tuple[str, ...] = ("floors",)
    refusals: tuple[str, ...] = ("floors (low)",)

    def facts(self) -> None:
        return None


def failing(candidate: str, incumbent: str | None) -> Failed:
    return Failed()


@dataclass
class Model:
    """What should be so, in lists: nothing clever."""

    stored: list[str] = field(default_factory=list)
    """In the order of their training."""
    stack: list[str] = field(default_factory=list)
    """Production last; below it what a rollback restores."""
    moves: list[tuple[int, str]] = field(default_factory=list)
    """At which second each move was made, and to what."""
    events: int = 0

    @property
    def live(self) -> str | None:
        return self.stack[-1] if self.stack else None

    @property
    def ever(self) -> set[str]:
        return {tag for _, tag in self.moves}

    def live_at(self, second: int) -> str | None:
        """Return the last move, in order, whose effect had come."""
        found = [tag for at, tag in self.moves if at < second]
        return found[-1] if found else None

    def moved(self, tag: str, second: int) -> None:
        self.moves.append((second, tag))
        self.events += 1

    def promote(self, tag: str, second: int) -> None:
        self.moved(tag, second)
        self.stack.append(tag)

    def roll_back(self, tag: str, second: int) -> None:
        self.moved(tag, second)
        if tag in self.stack:
            while self.stack[-1] != tag:
                self.stack.pop()
        else:
            self.stack.append(tag)

    def why_not(self, tag: str | None) -> type[Exception] | None:
        """Return what a rollback to *tag* is refused with, None when it is not."""
        if tag is None:
            return NothingToRollBack
        if tag == self.live:
            return AlreadyProduction
        if tag not in self.ever:
            return NeverProduction if tag in self.stored else UnknownModel
        return None if tag in self.stored else RollbackRefused

    def needed(self, keep: int) -> set[str]:
        """Return what a prune leaves."""
        return {*self.stack[-keep - 1 :], *self.stored[-keep:]}


@cache
def empty_ledger() -> bytes:
    """Return a SQLite file with the tables made: making them takes longer than a run."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "ledger.db")
        LedgerDatabase.open(f"sqlite:///{file}").close()
        return file.read_bytes()


class Releases(RuleBasedStateMachine):
    """Each command on a store and a ledger of its own, and the same on the model."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="states-"))
        self.store = Store.at(self.home)
        self.ledger = LedgerDatabase.open(self.make_url())
        self.model = Model()
        self.trained = 0
        self.second = 0
        self.use: dict[str, Any] = {
            "ledger": self.ledger,
            "actor": "a test",
            "clock": lambda: self.at(self.second),
        }

    def make_url(self) -> str:
        """Make an empty ledger."""
        file = self.home / "ledger.db"
        file.write_bytes(empty_ledger())
        return f"sqlite:///{file}"

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.home)

    def at(self, second: int) -> datetime:
        return NOON + timedelta(seconds=second)

    def tag(self, number: int) -> str:
        """Name one of the last versions, or one that never was."""
        return f"iris:v{max(self.trained - number, 0):03}"

    @rule(seconds=st.integers(-3, 5))
    def let_time_pass(self, seconds: int) -> None:
        self.second += seconds

    @rule()
    def train(self) -> None:
        self.trained += 1
        version = f"v{self.trained:03}"
        register(self.store, version=version, make_card=trained(self.trained))
        self.model.stored.append(f"iris:{version}")

    def _promote(self, tag: str, gates: releases.Gates, **changed: Any) -> None:
        releases.promote(
            "iris", tag, store=self.store, gates=gates, **self.use, **changed
        )

    def _refused_promotion(self, tag: str) -> type[Exception] | None:
        if tag not in self.model.stored:
            return UnknownModel
        return AlreadyProduction if tag == self.model.live else None

    @rule(number=numbers, force=st.booleans())
    def promote(self, number: int, force: bool) -> None:
        tag = self.tag(number)
        gates: releases.Gates = failing if force else passing
        options = {"force": True, "reason": "a test"} if force else {}
        if error := self._refused_promotion(tag):
            with pytest.raises(error):
                self._promote(tag, gates, **options)
            return
        self._promote(tag, gates, **options)
        self.model.promote(tag, self.second)

    @rule(number=numbers)
    def promote_what_the_gates_refuse(self, number: int) -> None:
        tag = self.tag(number)
        with pytest.raises(self._refused_promotion(tag) or PromotionRefused):
            self._promote(tag, failing)

    def _roll_back(self, target: str | None, to: str | None) -> None:
        if error := self.model.why_not(target):
            with pytest.raises(error):
                releases.rollback("iris", store=self.store, to=to, **self.use)
            return
        event = releases.rollback("iris", store=self.store, to=to, **self.use)
        assert target is not None
        assert event.to_tag == target
        self.model.roll_back(target, self.second)

    @rule()
    def roll_back(self) -> None:
        stack = self.model.stack
        target = stack[-2] if len(stack) > 1 else None
        self._roll_back(target, None)

    @rule(number=numbers)
    def roll_back_to(self, number: int) -> None:
        tag = self.tag(number)
        self._roll_back(tag, tag)

    @rule()
    def reject(self) -> None:
        live = self.model.live
        if live is None or self.ledger.verified().rejected("iris"):
            return
        releases.reject("iris", live, reason="it crashes", **self.use)
        self.model.events += 1

    @rule(keep=st.integers(1, 3), dry_run=st.booleans())
    def prune(self, keep: int, dry_run: bool) -> None:
        going = [t for t in self.model.stored if t not in self.model.needed(keep)]

        found = upkeep.prune(
            ["iris"], store=self.store, ledger=self.ledger, keep=keep, dry_run=dry_run
        )

        assert found == going
        if not dry_run:
            self.model.stored = [t for t in self.model.stored if t not in going]

    @rule()
    def verify(self) -> None:
        found = upkeep.verify(self.store, self.ledger, ["iris"])

        missing = set(self.model.stack[-2:]) - set(self.model.stored)
        assert found.events == self.model.events
        assert set(found.faults) == {str(UnknownModel(tag)) for tag in missing}

    @rule(second=st.integers(-20, 60))
    def ask_what_was_live(self, second: int) -> None:
        time = self.at(second)

        found = production_at(self.ledger.verified().events, "iris", time)

        assert (found.tag if found else None) == self.model.live_at(second)

    @invariant()
    def the_ledger_is_what_the_model_says(self) -> None:
        ledger = self.ledger.verified()
        assert len(ledger.events) == ledger.head.sequence == self.model.events
        assert [one.to_tag for one in ledger.line("iris")] == self.model.stack
        assert self.store.tags("iris") == self.model.stored


assert timedelta() < LEAD < timedelta(seconds=1), "live_at counts whole seconds"


def run(machine: type[Releases], runs: int, steps: int) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=runs, stateful_step_count=steps)
    )


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("runs", "steps"),
    [
        pytest.param(30, 20, id="some"),
        pytest.param(500, 50, id="all", marks=pytest.mark.slow),
    ],
)
def test_c15_releases_are_what_a_plain_model_says(runs: int, steps: int) -> None:
    run(Releases, runs, steps)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_c15_releases_on_postgresql_are_what_a_plain_model_says(
    postgres_server: Postgres,
) -> None:
    class OnPostgres(Releases):
        """A database for each run."""

        def make_url(self) -> str:
            return postgres_server.new_database()

    run(OnPostgres, 100, 50)
