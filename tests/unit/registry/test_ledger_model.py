"""The ledger against a simple model of it, and what was live in its past."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ekiben.errors import (
    AlreadyProduction,
    Conflict,
    NeverProduction,
    NothingToRollBack,
)
from ekiben.registry.events import Event, verify_chain
from ekiben.registry.ledger import Ledger, production_at
from tests.tiny import NOON
from tests.unit.registry.histories import (
    NAMES,
    VERSIONS,
    WHO,
    histories,
    promoted,
)


class Moves(RuleBasedStateMachine):
    """The ledger beside lists of tags: production last, below it what rollback restores."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.stacks: dict[str, list[str]] = {name: [] for name in NAMES}
        self.ever: set[str] = set()
        self.count = 0

    @rule(name=st.sampled_from(NAMES), version=st.sampled_from(VERSIONS))
    def promote(self, name: str, version: str) -> None:
        tag = f"{name}:{version}"
        if self.stacks[name][-1:] == [tag]:
            with pytest.raises(AlreadyProduction):
                promoted(self.ledger, tag)
            return
        self._keep(promoted(self.ledger, tag))
        self.stacks[name].append(tag)
        self.ever.add(tag)

    @rule(name=st.sampled_from(NAMES))
    def roll_back(self, name: str) -> None:
        seen = self.ledger.last(name)
        if len(self.stacks[name]) < 2:
            with pytest.raises(NothingToRollBack):
                self.ledger.rollback(name, WHO, seen=seen, at=NOON)
            return
        self._keep(self.ledger.rollback(name, WHO, seen=seen, at=NOON))
        self.stacks[name].pop()

    @rule(name=st.sampled_from(NAMES), version=st.sampled_from(VERSIONS))
    def roll_back_to(self, name: str, version: str) -> None:
        tag, stack = f"{name}:{version}", self.stacks[name]
        seen = self.ledger.last(name)
        if tag not in self.ever or stack[-1:] == [tag]:
            with pytest.raises((AlreadyProduction, NeverProduction)):
                self.ledger.rollback(name, WHO, seen=seen, at=NOON, to=tag)
            return
        self._keep(self.ledger.rollback(name, WHO, seen=seen, at=NOON, to=tag))
        while tag in stack and stack[-1] != tag:
            stack.pop()
        if tag not in stack:
            stack.append(tag)

    @precondition(lambda self: any(self.stacks.values()))
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([n for n in NAMES if self.stacks[n]]))
        seen = self.ledger.last(name)
        self._keep(self.ledger.reject(name, WHO, seen=seen, at=NOON))

    @rule(name=st.sampled_from(NAMES), version=st.sampled_from(VERSIONS))
    def move_on_an_old_view(self, name: str, version: str) -> None:
        seen = self.ledger.last(name)
        if seen:
            with pytest.raises(Conflict):
                self.ledger.promote(
                    name, f"{name}:{version}", "d", WHO, seen=seen - 1, at=NOON
                )

    @invariant()
    def production_and_what_was_before_are_those_of_the_model(self) -> None:
        for name, stack in self.stacks.items():
            assert [one.to_tag for one in self.ledger.line(name)] == stack
            production = self.ledger.production(name)
            found = (production.tag, production.previous) if production else None
            before = stack[-2] if len(stack) > 1 else None
            assert found == ((stack[-1], before) if stack else None)

    @invariant()
    def the_chain_is_whole(self) -> None:
        assert verify_chain(self.ledger.events, self.ledger.head) == self.count

    def _keep(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.count += 1


TestMoves = Moves.TestCase


def told_by_walking(events: Sequence[Event], name: str, time: datetime) -> str | None:
    """Say what was live by walking forward: the last move whose effect had come."""
    tag = None
    for event in events:
        moves = event.action != "reject" and event.use_case == name
        if moves and event.effective <= time:
            tag = event.to_tag
    return tag


@given(histories(), st.integers(-5000, 65_000))
def test_what_was_live_at_a_random_time_in_a_random_history(
    ledger: Ledger, milliseconds: int
) -> None:
    time = NOON + timedelta(milliseconds=milliseconds)

    for name in NAMES:
        found = production_at(ledger.events, name, time)
        assert (found.tag if found else None) == told_by_walking(
            ledger.events, name, time
        )
