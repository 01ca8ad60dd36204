"""Going back by an operator's order on this host: which moves it takes back, and which not."""

import time
from pathlib import Path

import pytest

from ekiben.errors import Conflict, EkibenError, StoreUnavailable
from ekiben.registry.local import LocalRollback, LocalRollbacks
from ekiben.registry.store import Store
from ekiben.serving.break_glass import BreakGlass
from ekiben.serving.roster import Choice, Roster
from tests.faulty import IRIS, sound

pytestmark = pytest.mark.models

ORDER = LocalRollback(at="2026-03-01T10:00:00+00:00", actor="ada", reason="odd answers")
GROUNDS = "local rollback by ada at 2026-03-01T10:00:00+00:00: odd answers"


class Releases:
    """What is told of rollbacks; the first *failures* times nobody listens."""

    def __init__(self, *failures: EkibenError) -> None:
        self.failures = list(failures)
        self.told: list[tuple[int, str]] = []

    def position(self) -> int:
        return 0

    def choose(self, use_case: str) -> Choice | None:
        return None

    def reject(self, use_case: str, tag: str, reason: str) -> None:
        raise AssertionError("an order rejects nothing")

    def roll_back(self, use_case: str, choice: Choice, reason: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.told.append((choice.sequence, reason))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.at(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def choices(store: Store) -> tuple[Choice, Choice]:
    """The first promotion and the second."""
    first = Choice(sound(store, store.models).card.tag, sequence=1)
    second = sound(store, store.models).card.tag
    return first, Choice(second, previous=first.tag, fallback=first, sequence=2)


@pytest.fixture
def roster(store: Store, choices: tuple[Choice, Choice]) -> Roster:
    """Both are warm, the second answers."""
    made = Roster([IRIS], lambda: store, lambda name: choices[1])
    for one in choices:
        assert made.warm("iris", one) is None
        made.swap("iris", one)
    return made


@pytest.fixture
def local(tmp_path: Path) -> LocalRollbacks:
    return LocalRollbacks.at(tmp_path)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ekiben.serving.going_back.RETRY_SECONDS", 0.01)


def answering(roster: Roster) -> str:
    return roster.predictor("iris").tag


def until_told(releases: Releases) -> None:
    end = time.monotonic() + 60
    while not releases.told:
        assert time.monotonic() < end, "nothing was told"
        time.sleep(0.01)


def test_an_order_takes_back_what_answers_and_the_ledger_is_told_once_it_is_there(
    roster: Roster, local: LocalRollbacks, choices: tuple[Choice, Choice]
) -> None:
    releases = Releases(*[StoreUnavailable("away")] * 3)
    glass = BreakGlass(roster, releases, local)
    glass.look()
    assert answering(roster) == choices[1].tag

    local.set("iris", ORDER)
    glass.look()

    assert answering(roster) == choices[0].tag
    until_told(releases)
    glass.look()
    assert releases.told == [(2, GROUNDS)]
    assert answering(roster) == choices[0].tag
    assert local.read()["iris"].move == 2


def test_an_order_is_outdated_by_whatever_moved_production_after_it(
    roster: Roster, local: LocalRollbacks, choices: tuple[Choice, Choice]
) -> None:
    first, second = choices
    glass = BreakGlass(roster, Releases(Conflict("iris", 3, "grace")), local)
    local.set("iris", ORDER)
    glass.look()

    again = Choice(second.tag, previous=first.tag, fallback=first, sequence=3)
    roster.swap("iris", again)
    glass.look()

    assert answering(roster) == second.tag


def test_a_worker_that_starts_anew_obeys_an_order_that_another_took_up_only(
    roster: Roster, local: LocalRollbacks, choices: tuple[Choice, Choice]
) -> None:
    old = BreakGlass(roster, Releases(), local)
    local.set("iris", ORDER)
    old.start()  # nobody was there when it was given
    old.stop()
    old.look()
    assert answering(roster) == choices[1].tag

    local.bind("iris", ORDER, 2)
    releases = Releases()
    new = BreakGlass(roster, releases, local)
    new.start()
    new.stop()
    new.look()

    assert answering(roster) == choices[0].tag
    until_told(releases)


def test_of_two_workers_one_says_which_move_it_is(local: LocalRollbacks) -> None:
    local.set("iris", ORDER)

    first = local.bind("iris", ORDER, 2)
    second = local.bind("iris", ORDER, 3)

    assert (first.move, second.move) == (2, 2)


def test_with_no_version_before_the_order_is_told_and_left(
    roster: Roster,
    local: LocalRollbacks,
    choices: tuple[Choice, Choice],
    caplog: pytest.LogCaptureFixture,
) -> None:
    roster.swap("iris", choices[0])
    glass = BreakGlass(roster, Releases(), local)
    local.set("iris", ORDER)

    for _ in range(3):
        glass.look()

    assert answering(roster) == choices[0].tag
    told = [one for one in caplog.messages if "no version to go back to" in one]
    assert len(told) == 1


def test_an_order_to_pinned_servers_is_for_others(
    roster: Roster, local: LocalRollbacks, choices: tuple[Choice, Choice]
) -> None:
    first, second = choices
    pinned = LocalRollback(at="now", actor="ada", tag=first.tag, pin=second.tag)
    local.set("iris", pinned)

    BreakGlass(roster, Releases(), local).look()

    assert answering(roster) == second.tag
