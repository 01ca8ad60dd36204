"""Watching a new version: what sends it back, to where, and who is told."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ekiben.errors import Conflict, EkibenError, StoreUnavailable
from ekiben.registry.store import Store
from ekiben.schemas.base import Row
from ekiben.serving.admission import Admission
from ekiben.serving.dispatcher import Dispatcher, Limits
from ekiben.serving.roster import Choice, Roster
from ekiben.serving.trial import Allowed
from ekiben.serving.watch import GOLDEN_AFTERWARDS, GOLDEN_ON_TRIAL, Watch
from tests.fakes import run
from tests.faulty import IRIS, faulty, sound

pytestmark = pytest.mark.models

ROWS = [IRIS.row.model_validate(row) for row in IRIS.examples]
ALLOWED = Allowed(seconds=60, error_share=0.01, slowdown=5)


class Releases:
    """What is told of rollbacks; the first *failures* times nobody listens."""

    def __init__(self, *failures: EkibenError) -> None:
        self.failures = list(failures)
        self.tries = 0
        self.told: list[tuple[str, str]] = []

    def position(self) -> int:
        return 0

    def choose(self, use_case: str) -> Choice | None:
        return None

    def reject(self, use_case: str, tag: str, reason: str) -> None:
        raise AssertionError("a watch rejects nothing")

    def roll_back(self, use_case: str, choice: Choice, reason: str) -> None:
        try:
            if self.failures:
                raise self.failures.pop(0)
            self.told.append((choice.tag, reason))
        finally:
            self.tries += 1  # last: the tests wait for it


class Desk:
    """A worker's parts, its clock, and one client."""

    def __init__(self, roster: Roster, releases: Releases, bad: Choice) -> None:
        self.roster, self.releases, self.bad = roster, releases, bad
        self.time = 0.0
        self.watch = Watch(roster, releases, ALLOWED, now=lambda: self.time)

    def answering(self) -> str:
        return self.roster.predictor("iris").tag

    def ask(self, times: int, rows: Sequence[Row] = ROWS) -> list[Any]:
        """Return the answers, or why there was none, of requests one after the other."""
        with ThreadPoolExecutor(1) as executor:
            dispatcher = Dispatcher(
                "iris",
                lambda: self.roster.predictor("iris"),
                executor,
                Admission(1000),
                Limits(queue_seconds=1000, batch_rows=100, batch_seconds=1000),
                lambda *call: self.watch.observe("iris", *call),
            )

            async def client() -> list[Any]:
                got: list[Any] = []
                for _ in range(times):
                    try:
                        got.append(await dispatcher.submit(rows, seconds=5))
                    except Exception as error:
                        got.append(error)
                return got

            return run(client())  # type: ignore[no-any-return]

    def look(self, after: float = 0.25) -> str:
        """Look once, some time later; return what answers then."""
        self.time += after
        self.watch.look()
        return self.answering()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.at(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def old(store: Store) -> Choice:
    manifest = sound(store, store.staging)
    return Choice(manifest.card.tag, manifest.digest, sequence=1, on_trial=True)


@pytest.fixture
def releases() -> Releases:
    return Releases()


Promote = Callable[..., Desk]


@pytest.fixture
def promoted(store: Store, old: Choice, releases: Releases) -> Iterator[Promote]:
    """Make a desk where a version with a fault was swapped in."""
    made: list[Desk] = []

    def promote(fault: str, later: int = 0, *, warm: bool = True) -> Desk:
        like = store.manifest(old.tag)
        # Warm-up and golden rows are 13 calls.
        bad = faulty(store, like, fault, later=14 + later)
        choice = Choice(
            bad.card.tag,
            bad.digest,
            previous=old.tag,
            fallback=old,
            sequence=2,
            on_trial=True,
        )
        roster = Roster([IRIS], lambda: store, lambda _: choice)
        if warm:
            assert roster.warm("iris", old) is None
            roster.swap("iris", old)
        roster.load()
        desk = Desk(roster, releases, choice)
        made.append(desk)
        return desk

    yield promote
    for desk in made:
        desk.watch.stop()


def begin(desk: Desk) -> None:
    """Begin the trial, and put the check of the golden rows out of the way."""
    stand = desk.watch._stand("iris")
    assert stand is not None
    stand.golden_at = 1e9


def until_tried(releases: Releases, times: int = 1) -> None:
    limit = time.monotonic() + 60
    while releases.tries < times:
        assert time.monotonic() < limit, "nobody was told"
        time.sleep(0.01)


def test_a_version_that_raises_is_taken_back_and_the_ledger_is_told_why(
    promoted: Promote, old: Choice, releases: Releases
) -> None:
    desk = promoted("raises")
    begin(desk)
    bad = desk.answering()
    assert all(isinstance(one, RuntimeError) for one in desk.ask(6))

    assert desk.look() == old.tag
    until_tried(releases)

    assert releases.told == [
        (
            bad,
            f"6 of the last 6 requests failed; {old.tag} answers 6 of 6 of these; "
            "the share of failures is 1, it may be 0.01",
        )
    ]
    assert all(not isinstance(one, Exception) for one in desk.ask(6))


def test_answers_that_are_no_numbers_are_failures(
    promoted: Promote, old: Choice
) -> None:
    desk = promoted("nan")
    begin(desk)
    desk.ask(6)

    assert desk.look() == old.tag


def test_requests_that_no_version_answers_are_held_against_none(
    store: Store, old: Choice, releases: Releases
) -> None:
    both = [
        faulty(store, store.manifest(old.tag), "raises for giants", 0) for _ in "ab"
    ]
    before, after = (Choice(one.card.tag, one.digest) for one in both)
    after = replace(after, previous=before.tag, fallback=before, on_trial=True)
    roster = Roster([IRIS], lambda: store, lambda _: after)
    roster.load()
    desk = Desk(roster, releases, after)
    begin(desk)
    assert not any(isinstance(one, Exception) for one in desk.ask(100))
    giant = [IRIS.row.model_validate({**IRIS.examples[0], "petal_width": 29.0})]
    assert all(isinstance(one, RuntimeError) for one in desk.ask(30, giant))

    assert desk.look() == after.tag
    assert desk.watch._stands["iris"].outcomes.recent(1.0).asked > 0


def test_few_failures_are_no_reason(promoted: Promote, old: Choice) -> None:
    desk = promoted("raises")
    begin(desk)
    desk.ask(4)

    assert desk.look() == desk.bad.tag


def test_a_slow_version_is_taken_back(
    promoted: Promote, old: Choice, releases: Releases
) -> None:
    desk = promoted("sleeps")
    begin(desk)
    desk.ask(3)

    assert desk.look() == old.tag
    until_tried(releases)
    ((_, reason),) = releases.told
    told = re.match(
        rf"a call of {len(ROWS)} rows takes (\S+) ms; "
        rf"with {old.tag} it takes (\S+) ms, ",
        reason,
    )
    assert told is not None
    slow, quick = map(float, told.groups())
    assert slow >= 500 > 5 * quick


def test_golden_rows_are_checked_again_and_again(
    promoted: Promote, old: Choice, releases: Releases
) -> None:
    desk = promoted("lies", later=1)
    assert desk.look() == desk.bad.tag
    assert desk.look(GOLDEN_ON_TRIAL - 0.5) == desk.bad.tag

    assert desk.look(1.0) == old.tag
    until_tried(releases)
    ((_, reason),) = releases.told
    assert reason == "golden row 0 is answered differently, twice in a row"


def test_after_the_trial_golden_rows_are_still_checked_but_failures_are_not_counted(
    promoted: Promote, old: Choice
) -> None:
    desk = promoted("lies", later=2)
    assert desk.look() == desk.bad.tag
    desk.time = ALLOWED.seconds + 1
    assert desk.look() == desk.bad.tag
    assert desk.watch._on_trial == {}

    assert desk.look(GOLDEN_AFTERWARDS - 1) == desk.bad.tag
    assert desk.look(2.0) == old.tag


def test_after_a_restart_the_version_before_is_loaded_when_it_is_needed(
    promoted: Promote, old: Choice
) -> None:
    desk = promoted("raises", warm=False)
    begin(desk)
    assert not desk.roster.is_warm("iris", old)
    desk.ask(6)

    assert desk.look() == old.tag


def test_without_a_version_before_nothing_is_taken_back(
    store: Store, old: Choice, releases: Releases
) -> None:
    bad = faulty(store, store.manifest(old.tag), "raises", later=14)
    first = Choice(bad.card.tag, bad.digest, on_trial=True)
    roster = Roster([IRIS], lambda: store, lambda _: first)
    roster.load()
    desk = Desk(roster, releases, first)
    desk.ask(10)

    assert desk.look() == first.tag
    assert releases.tries == 0


def test_a_version_that_was_rolled_back_to_is_not_on_trial(
    store: Store, old: Choice, releases: Releases
) -> None:
    bad = faulty(store, store.manifest(old.tag), "raises", later=14)
    chosen = Choice(bad.card.tag, bad.digest, previous=old.tag, fallback=old)
    roster = Roster([IRIS], lambda: store, lambda _: chosen)
    roster.load()
    desk = Desk(roster, releases, chosen)
    begin(desk)
    desk.ask(10)

    assert desk.look() == chosen.tag


def test_what_another_swapped_in_meanwhile_stays(
    promoted: Promote, old: Choice
) -> None:
    desk = promoted("raises")
    bad = desk.bad

    desk.roster.swap("iris", old)

    assert desk.roster.withdraw("iris", bad, old) is False


def test_while_the_ledger_is_away_the_worker_goes_back_and_tells_it_later(
    promoted: Promote, old: Choice, releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ekiben.serving.going_back.RETRY_SECONDS", 0.01)
    releases.failures = [StoreUnavailable("away")] * 3
    desk = promoted("raises")
    begin(desk)
    desk.ask(6)

    assert desk.look() == old.tag
    until_tried(releases, times=4)
    assert [tag for tag, _ in releases.told] == [desk.bad.tag]
    assert desk.look() == old.tag


def test_who_comes_second_tells_nothing(
    promoted: Promote, old: Choice, releases: Releases
) -> None:
    releases.failures = [Conflict("iris", 3, "server other")]
    desk = promoted("raises")
    begin(desk)
    desk.ask(6)

    assert desk.look() == old.tag
    until_tried(releases)
    assert (releases.tries, releases.told) == (1, [])


def test_with_no_seconds_to_watch_there_is_no_thread(
    promoted: Promote, tmp_path: Path
) -> None:
    desk = promoted("raises")
    off = Watch(desk.roster, desk.releases, Allowed(0, 0.01, 5))
    off.start()

    assert "watch" not in {one.name for one in threading.enumerate()}
