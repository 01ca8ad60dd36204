"""The ledger against a simple model of it, its past, and rows changed by hand."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ekiben.errors import (
    AlreadyProduction,
    ArtefactRefused,
    Conflict,
    CorruptLedger,
    NeverProduction,
    NothingToRollBack,
    UnknownModel,
)
from ekiben.registry.events import LEAD, Event, Grounds, Head, verify_chain
from ekiben.registry.ledger import Ledger, production_at
from tests.tiny import NOON

WHO = Grounds(actor="ada", reason="a test")
NAMES = ("iris", "spam")
VERSIONS = ("a", "b", "c", "d")


def promoted(
    ledger: Ledger, tag: str, at: datetime = NOON, digest: str | None = None
) -> Ledger:
    name = tag.partition(":")[0]
    seen = ledger.last(name)
    return ledger.promote(name, tag, digest or f"of {tag}", WHO, seen=seen, at=at)


def rolled_back(ledger: Ledger, to: str | None = None, at: datetime = NOON) -> Ledger:
    return ledger.rollback("iris", WHO, seen=ledger.last("iris"), at=at, to=to)


def after(*tags: str) -> Ledger:
    ledger = Ledger()
    for tag in tags:
        ledger = promoted(ledger, tag)
    return ledger


def live(ledger: Ledger, name: str = "iris") -> str | None:
    production = ledger.production(name)
    return production.tag if production else None


def test_rollback_walks_back_over_the_promotions_until_there_is_none() -> None:
    ledger = after("iris:a", "iris:b", "iris:c")

    once = rolled_back(ledger)
    twice = rolled_back(once)

    assert (live(once), live(twice)) == ("iris:b", "iris:a")
    with pytest.raises(NothingToRollBack, match="iris has no earlier"):
        rolled_back(twice)


def test_a_promotion_after_a_rollback_continues_from_there() -> None:
    ledger = promoted(rolled_back(after("iris:a", "iris:b")), "iris:c")

    assert live(rolled_back(ledger)) == "iris:a"


def test_rollback_to_an_earlier_version_forgets_those_above_it() -> None:
    ledger = rolled_back(after("iris:a", "iris:b", "iris:c", "iris:d"), to="iris:b")

    assert live(ledger) == "iris:b"
    assert live(rolled_back(ledger)) == "iris:a"


def test_rollback_to_a_version_that_was_undone_can_itself_be_undone() -> None:
    ledger = rolled_back(rolled_back(after("iris:a", "iris:b")), to="iris:b")

    assert live(ledger) == "iris:b"
    assert live(rolled_back(ledger)) == "iris:a"


@pytest.mark.parametrize(
    ("to", "error"),
    [
        pytest.param("iris:b", AlreadyProduction, id="production-itself"),
        pytest.param("iris:z", NeverProduction, id="never-production"),
    ],
)
def test_rollback_goes_to_former_production_only(
    to: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        rolled_back(after("iris:a", "iris:b"), to=to)


@pytest.mark.parametrize(
    ("tag", "digest", "error"),
    [
        pytest.param("iris:b", "of iris:b", AlreadyProduction, id="production-itself"),
        pytest.param("iris:a", "another", ArtefactRefused, id="altered-since"),
    ],
)
def test_a_promotion_that_moves_nothing_or_changes_the_past_is_refused(
    tag: str, digest: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        promoted(after("iris:a", "iris:b"), tag, digest=digest)


def test_a_version_of_another_use_case_is_refused() -> None:
    with pytest.raises(UnknownModel):
        Ledger().promote("iris", "spam:a", "d", WHO, seen=0, at=NOON)


def test_a_move_that_rests_on_an_outdated_view_is_a_conflict() -> None:
    seen = after("iris:a").last("iris")
    ledger = after("iris:a", "iris:b")

    with pytest.raises(Conflict, match="moved meanwhile by ada, ledger event 2"):
        ledger.promote("iris", "iris:c", "d", WHO, seen=seen, at=NOON)
    with pytest.raises(Conflict):
        ledger.rollback("iris", WHO, seen=seen, at=NOON)
    with pytest.raises(Conflict):
        ledger.reject("iris", WHO, seen=seen, at=NOON)


def test_moves_of_another_use_case_are_no_conflict() -> None:
    ledger = after("iris:a")
    seen = ledger.last("iris")

    moved = promoted(ledger, "spam:a").promote(
        "iris", "iris:b", "d", WHO, seen=seen, at=NOON
    )

    assert live(moved) == "iris:b"


def test_a_rejection_is_recorded_once_and_moves_nothing() -> None:
    ledger = after("iris:a", "iris:b")
    seen = ledger.last("iris")

    rejected = ledger.reject("iris", WHO, seen=seen, at=NOON)

    assert live(rejected) == "iris:b"
    assert rejected.rejected("iris") == "iris:b"
    with pytest.raises(Conflict):
        rejected.reject("iris", WHO, seen=seen, at=NOON)
    assert live(rolled_back(rejected)) == "iris:a"
    assert rolled_back(rejected).rejected("iris") is None


def test_what_is_written_fits_in_one_line_of_a_terminal() -> None:
    who = Grounds(actor="a\x1b[1mda", reason="two\nlines\x00 and \udcff")

    ledger = Ledger().promote("iris", "iris:a", "d", who, seen=0, at=NOON)

    (event,) = ledger.events
    assert event.actor == "a\ufffd[1mda"
    assert event.reason == "two lines\ufffd and \ufffd"
    assert event.sound


@pytest.mark.parametrize(
    ("seconds", "wait"),
    [
        pytest.param(0, LEAD, id="just-created"),
        pytest.param(10, timedelta(), id="past"),
        pytest.param(-3600, LEAD, id="clock-set-back-an-hour"),
    ],
)
def test_nobody_waits_longer_than_the_lead(seconds: float, wait: timedelta) -> None:
    (event,) = after("iris:a").events

    assert event.delay(NOON + timedelta(seconds=seconds)) == wait


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


@st.composite
def histories(draw: st.DrawFn) -> Ledger:
    """Draw a ledger of two use cases; its clock may be set back now and then."""
    ledger, at = Ledger(), NOON
    for _ in range(draw(st.integers(1, 12))):
        at += timedelta(milliseconds=draw(st.integers(-2000, 5000)))
        name = draw(st.sampled_from(NAMES))
        version = draw(st.sampled_from(VERSIONS))
        seen = ledger.last(name)
        action = draw(st.sampled_from(("promote", "promote", "rollback", "reject")))
        try:
            if action == "promote":
                ledger = promoted(ledger, f"{name}:{version}", at)
            elif action == "rollback":
                ledger = ledger.rollback(name, WHO, seen=seen, at=at)
            else:
                ledger = ledger.reject(name, WHO, seen=seen, at=at)
        except (AlreadyProduction, NothingToRollBack):
            continue
    return ledger


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


CHANGES: dict[str, Any] = {
    "use_case": "topics",
    "action": "canary",
    "alias": "shadow",
    "from_tag": "iris:zz",
    "to_tag": "iris:zz",
    "weight": 5.0,
    "actor": "eve",
    "reason": "none",
    "forced": True,
    "report": {"passed": True},
    "digest": "0" * 64,
    "created": datetime(2020, 1, 1, tzinfo=UTC),
    "effective": datetime(2020, 1, 1, tzinfo=UTC),
    "previous_hash": "1" * 64,
    "hash": "1" * 64,
}


@given(histories(), st.data(), st.sampled_from(sorted(CHANGES)), st.booleans())
def test_a_changed_event_is_found_and_named(
    ledger: Ledger, data: st.DataObject, field: str, resealed: bool
) -> None:
    events = list(ledger.events)
    if not events:
        return
    place = data.draw(st.integers(0, len(events) - 1))
    changed = replace(events[place], **{field: CHANGES[field]})
    events[place] = changed.sealed() if resealed and field != "hash" else changed

    with pytest.raises(CorruptLedger) as refusal:
        verify_chain(events, ledger.head)

    # One that is sealed anew is sound in itself: it is its successor that does not fit.
    follows = resealed and field not in ("hash", "previous_hash")
    shown = min(place + 2, len(events)) if follows else place + 1
    assert refusal.value.sequence == shown


@given(histories(), st.data())
def test_a_deleted_event_is_found_and_named(
    ledger: Ledger, data: st.DataObject
) -> None:
    events = list(ledger.events)
    if not events:
        return
    place = data.draw(st.integers(0, len(events) - 1))
    del events[place]

    with pytest.raises(CorruptLedger, match="is missing") as refusal:
        verify_chain(events, ledger.head)
    assert refusal.value.sequence == place + 1


@given(histories(), st.data())
def test_events_in_another_order_are_found_and_the_first_is_named(
    ledger: Ledger, data: st.DataObject
) -> None:
    events = list(ledger.events)
    if len(events) < 2:
        return
    first = data.draw(st.integers(0, len(events) - 2))
    second = data.draw(st.integers(first + 1, len(events) - 1))
    one, other = events[first], events[second]
    events[first] = replace(other, sequence=one.sequence)
    events[second] = replace(one, sequence=other.sequence)

    with pytest.raises(CorruptLedger) as refusal:
        verify_chain(events, ledger.head)
    assert refusal.value.sequence == first + 1


def test_an_event_that_nobody_appended_is_found_and_named() -> None:
    ledger = after("iris:a", "iris:b")
    end = ledger.events[0]

    with pytest.raises(CorruptLedger, match="event 2 is beyond the end"):
        verify_chain(ledger.events, Head(end.sequence, end.hash))


def test_what_is_no_json_is_no_sound_event() -> None:
    (event,) = after("iris:a").events

    assert not replace(event, report={"f1": float("nan")}).sound
    assert not replace(event, reason=b"bytes").sound  # type: ignore[arg-type]
