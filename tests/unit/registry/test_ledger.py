"""What a ledger allows, move by move."""

from datetime import timedelta

import pytest

from ekiben.errors import (
    AlreadyProduction,
    ArtefactRefused,
    Conflict,
    NeverProduction,
    NothingToRollBack,
    UnknownModel,
)
from ekiben.registry.events import LEAD, Grounds
from ekiben.registry.ledger import Ledger
from tests.tiny import NOON
from tests.unit.registry.histories import WHO, after, live, promoted, rolled_back


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
