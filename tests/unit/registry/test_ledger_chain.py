"""Events that were changed, deleted or put in another order are found and named."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekiben.errors import (
    CorruptLedger,
)
from ekiben.registry.events import Head, verify_chain
from ekiben.registry.ledger import Ledger
from tests.unit.registry.histories import (
    after,
    histories,
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
