"""Taking up what becomes production: when it swaps, what stays warm, what is rejected."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ekiben.datasets import load
from ekiben.errors import ProbeStopped, StoreUnavailable
from ekiben.registry.events import LEAD
from ekiben.registry.store import Store
from ekiben.serving.follower import POLL_SECONDS, Follower
from ekiben.serving.roster import Choice, Roster
from ekiben.training import train
from ekiben.use_cases.catalog import get_use_case

IRIS = get_use_case("iris")


class Releases:
    """Releases that a test moves, or makes unreachable."""

    def __init__(self) -> None:
        self.chosen: Choice | None = None
        self.moves = 0
        self.away = False
        self.rejected: list[tuple[str, str]] = []

    def move(self, choice: Choice) -> None:
        self.chosen = choice
        self.moves += 1

    def position(self) -> int:
        if self.away:
            raise StoreUnavailable("nobody answers")
        return self.moves

    def choose(self, use_case: str) -> Choice | None:
        return self.chosen

    def reject(self, use_case: str, tag: str, reason: str) -> None:
        self.rejected.append((tag, reason))

    def roll_back(self, use_case: str, choice: Choice, reason: str) -> None:
        raise AssertionError("a follower rolls nothing back")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with four versions of iris."""
    home = tmp_path_factory.mktemp("home")
    made = Store.at(home)
    table = load(IRIS.dataset, cache=home)
    for seed in range(4):
        train(
            IRIS,
            table,
            made,
            now=lambda: datetime.now(UTC),
            clock=time.perf_counter,
            seed=seed,
        )
    return made


@pytest.fixture
def choices(store: Store) -> list[Choice]:
    return [Choice(tag, store.manifest(tag).digest) for tag in store.tags("iris")]


@pytest.fixture
def releases(choices: list[Choice]) -> Releases:
    made = Releases()
    made.move(choices[0])
    return made


@pytest.fixture
def roster(store: Store, releases: Releases) -> Roster:
    made = Roster([IRIS], lambda: store, releases.choose)
    made.load()
    return made


@pytest.fixture
def follower(roster: Roster, releases: Releases) -> Follower:
    made = Follower(roster, releases, lambda *_: None)
    made.look()
    return made


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.005)


def production(roster: Roster) -> str | None:
    """Return what is shown as production: a swap changes that last."""
    served = roster.find("iris")
    return served.production if served else None


def test_a_new_production_version_is_loaded_and_swapped_in(
    follower: Follower, roster: Roster, releases: Releases, choices: list[Choice]
) -> None:
    releases.move(choices[1])
    follower.look()

    until(lambda: production(roster) == choices[1].tag)
    assert roster.predictor("iris").tag == choices[1].tag
    assert roster.ready


def test_no_version_answers_before_its_time(
    follower: Follower, roster: Roster, releases: Releases, choices: list[Choice]
) -> None:
    at = datetime.now(UTC) + timedelta(seconds=0.6)
    releases.move(Choice(choices[1].tag, effective=at, lead=timedelta(seconds=1)))
    follower.look()
    until(lambda: roster.is_warm("iris", choices[1]))

    # To load it may take until then.
    waits = roster.predictor("iris").tag == choices[0].tag
    assert waits or datetime.now(UTC) >= at
    until(lambda: roster.predictor("iris").tag == choices[1].tag)
    assert datetime.now(UTC) >= at


def test_the_version_before_stays_warm_and_older_ones_are_let_go(
    follower: Follower, roster: Roster, releases: Releases, choices: list[Choice]
) -> None:
    for choice in choices[1:3]:
        releases.move(choice)
        follower.look()
        until(lambda wanted=choice: production(roster) == wanted.tag)  # type: ignore[misc]

    assert roster.is_warm("iris", choices[1])
    assert roster.is_warm("iris", choices[2])
    assert not roster.is_warm("iris", choices[0])


def test_going_back_needs_no_store_and_no_probe(
    roster: Roster, releases: Releases, choices: list[Choice], store: Store
) -> None:
    probed: list[str] = []

    def probe(_: str, choice: Choice) -> None:
        probed.append(choice.tag)

    follower = Follower(roster, releases, probe)
    follower.look()
    releases.move(choices[1])
    follower.look()
    until(lambda: roster.predictor("iris").tag == choices[1].tag)
    releases.move(choices[0])
    follower.look()

    until(lambda: roster.predictor("iris").tag == choices[0].tag)
    assert probed == [choices[1].tag]


def test_a_version_that_cannot_be_loaded_is_rejected_and_the_old_one_answers(
    roster: Roster, releases: Releases, choices: list[Choice]
) -> None:
    follower = Follower(roster, releases, lambda *_: "it crashed")
    follower.look()
    releases.move(choices[1])
    follower.look()

    until(lambda: bool(releases.rejected))
    assert releases.rejected == [(choices[1].tag, "it crashed")]
    assert roster.predictor("iris").tag == choices[0].tag
    assert roster.ready


def test_a_trial_that_was_stopped_says_nothing_and_is_made_again(
    roster: Roster, releases: Releases, choices: list[Choice]
) -> None:
    trials: list[str] = []

    def stopped_once(_: str, choice: Choice) -> None:
        trials.append(choice.tag)
        if len(trials) == 1:
            raise ProbeStopped

    follower = Follower(roster, releases, stopped_once)
    follower.look()
    releases.move(choices[1])
    follower.look()
    until(lambda: follower._seen == -1)
    follower.look()

    until(lambda: roster.predictor("iris").tag == choices[1].tag)
    assert releases.rejected == []
    assert len(trials) == 2


def test_where_there_is_no_thread_or_process_it_is_taken_up_later(
    roster: Roster,
    releases: Releases,
    choices: list[Choice],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trials: list[str] = []

    def no_process_once(_: str, choice: Choice) -> None:
        trials.append(choice.tag)
        if len(trials) == 1:
            raise BlockingIOError("Resource temporarily unavailable")

    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    follower = Follower(roster, releases, no_process_once)
    follower.look()
    releases.move(choices[1])
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        follower.look()
    assert trials == []
    follower.look()
    until(lambda: len(trials) == 1 and follower._seen == -1)
    follower.look()

    until(lambda: roster.predictor("iris").tag == choices[1].tag)
    assert releases.rejected == []


def test_only_the_newest_choice_is_swapped_in_however_long_an_older_one_loads(
    roster: Roster, releases: Releases, choices: list[Choice]
) -> None:
    swapped = threading.Event()

    def slow_for_the_first(_: str, choice: Choice) -> None:
        if choice.tag == choices[1].tag:
            assert swapped.wait(60)

    follower = Follower(roster, releases, slow_for_the_first)
    follower.look()
    for choice in choices[1:3]:
        releases.move(choice)
        follower.look()
    until(lambda: production(roster) == choices[2].tag)
    swapped.set()
    until(lambda: roster.is_warm("iris", choices[1]))
    time.sleep(0.1)

    assert roster.predictor("iris").tag == choices[2].tag


def test_while_the_releases_are_away_the_last_version_answers_on(
    follower: Follower, roster: Roster, releases: Releases, choices: list[Choice]
) -> None:
    releases.away = True
    releases.move(choices[1])
    follower.look()

    assert follower.unreachable_since is not None
    assert roster.predictor("iris").tag == choices[0].tag

    releases.away = False
    follower.look()
    until(lambda: roster.predictor("iris").tag == choices[1].tag)
    assert follower.unreachable_since is None


def test_where_production_cannot_be_loaded_at_the_start_its_fallback_answers(
    store: Store, choices: list[Choice], tmp_path: Path
) -> None:
    gone = Choice("iris:aaaaaaaaaaaaaaaa", fallback=choices[0])

    roster = Roster([IRIS], lambda: store, lambda _: gone)
    roster.load()

    assert roster.predictor("iris").tag == choices[0].tag


def test_every_worker_looks_before_the_moment_of_a_move() -> None:
    assert timedelta(seconds=2 * POLL_SECONDS) <= LEAD
