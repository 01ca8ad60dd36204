"""C-15: random moves and requests over HTTP; a model of the ledger says what must be answered."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from ekiben.datasets import Table, load
from ekiben.errors import AlreadyProduction
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Event, Grounds
from ekiben.registry.store import Store
from ekiben.training import train
from ekiben.use_cases.catalog import get_use_case
from tests.servers import Server, serve
from tests.timing import TooSlow, measures_time

pytestmark = pytest.mark.server

IRIS = get_use_case("iris")
GROUNDS = Grounds(actor="a test")
WARM = 2
"""Production and the version before it are warm. Below that a worker lets the other one go,
and would have to load it again: longer than the lead that these moves give it."""
SETTLED = 10.0
"""Seconds after which every worker has followed."""
AROUND = 0.5
"""Seconds around an effective time in which either version may answer: a worker changes
over between two batches, and on a busy machine its thread may come late."""
Figure = Callable[[str, object], None]


@dataclass
class Model:
    """What the ledger ought to say: who is production, and since when who was.

    `standing` is what production rests on, itself last; `moves` every move: when it takes
    effect, and when it has, for on a slow disk it may be written later than that.
    """

    standing: list[str]
    moves: list[tuple[float, float, str]]
    believed: int = 0
    """The newest event at which the ledger said so, too."""
    counts: dict[str, int] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)
    """When answers were asked for that another version gave, soon after its time."""

    def moved(self, event: Event) -> None:
        at = event.effective.timestamp()
        self.moves.append((at, max(at, time.time()), self.standing[-1]))

    def allowed(self, asked: float, had: float, around: float) -> set[str]:
        """Return the versions that were production between *asked* and *had*."""
        found = {
            tag
            for at, done, tag in self.moves
            if asked - around < done and at < had + around
        }
        before = [tag for _, done, tag in self.moves if done <= asked - around]
        return found | set(before[-1:])

    def count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1


@dataclass(frozen=True)
class World:
    """A running server, its ledger, two versions of iris, and what we believe of them."""

    server: Server
    ledger: LedgerDatabase
    digests: dict[str, str]
    model: Model
    client: httpx.Client

    @property
    def tags(self) -> list[str]:
        return list(self.digests)


def made_versions(home: Path) -> dict[str, str]:
    """Register two versions of iris trained on different rows; return their digests."""
    whole = load(IRIS.dataset, cache=home, offline=True)
    part = Table(whole.frame.iloc[15:].reset_index(drop=True), whole.card)
    made = [
        train(
            IRIS,
            table,
            Store.at(home),
            now=lambda: datetime.now(UTC),
            clock=time.perf_counter,
        )
        for table in (whole, part)
    ]
    return {one.card.tag: one.digest for one in made}


def promote(ledger: LedgerDatabase, tag: str, digest: str) -> Event:
    return ledger.append(
        "iris",
        lambda found: found.promote(
            "iris",
            tag,
            digest,
            GROUNDS,
            seen=found.last("iris"),
            at=datetime.now(UTC),
        ),
    )


def roll_back(ledger: LedgerDatabase) -> Event:
    return ledger.append(
        "iris",
        lambda found: found.rollback(
            "iris", GROUNDS, seen=found.last("iris"), at=datetime.now(UTC)
        ),
    )


def the_world(home: Path, url: str) -> Iterator[World]:
    """Serve iris by the ledger at *url*; both versions are warm and the second answers."""
    digests = made_versions(home)
    first, second = digests
    with LedgerDatabase.opened(url) as ledger:
        start = promote(ledger, first, digests[first])
        extra = {"EKIBEN_MODELS": "iris", "EKIBEN_DATABASE_URL": url}
        with serve(home, extra=extra) as server, server.client() as client:
            event = promote(ledger, second, digests[second])
            model = Model([first], [])
            model.moved(start)
            model.standing.append(second)
            model.moved(event)
            world = World(server, ledger, digests, model, client)
            until_listed(world, second, first, 60)
            yield world


def until_listed(
    world: World, production: str, previous: str | None, seconds: float
) -> None:
    end = time.monotonic() + seconds
    while True:
        (listed,) = world.client.get("/v1/models").json()
        if (listed["production"], listed["previous"]) == (production, previous):
            return
        assert time.monotonic() < end, (listed, production, previous)
        time.sleep(0.05)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("states")
    yield from the_world(home, f"sqlite:///{home / 'ekiben' / 'ledger.db'}")
    shutil.rmtree(home, ignore_errors=True)


class Api(RuleBasedStateMachine):
    """Everything that the API and its operator can do, one random step after another."""

    world: World

    def asked(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask, and check what holds for every answer."""
        response = self.world.client.request(method, path, **more)
        assert response.status_code < 500, response.text
        self.world.model.count("requests")
        return response

    def answered_by(self, asked: float, tag: str) -> None:
        model, had = self.world.model, time.time()
        allowed = model.allowed(asked, had, SETTLED)
        assert tag in allowed, (tag, allowed)
        # What is only late is told at the end: it may be the machine.
        if tag not in model.allowed(asked, had, AROUND):
            model.late.append(asked)

    @rule(rows=st.integers(1, 20))
    def predict(self, rows: int) -> None:
        asked = time.time()
        body = {"rows": (IRIS.examples * rows)[:rows]}
        response = self.asked("POST", "/v1/iris/predict", json=body)
        assert response.status_code == 200
        tags = {one["model"] for one in response.json()}
        assert len(response.json()) == rows
        assert tags == {response.headers["x-model"]}
        self.answered_by(asked, *tags)

    @rule(rows=st.lists(st.dictionaries(st.text(), st.integers()), max_size=3))
    def predict_badly(self, rows: list[dict[str, int]]) -> None:
        response = self.asked("POST", "/v1/iris/predict", json={"rows": rows})
        assert response.status_code in (400, 422)

    @rule(route=st.sampled_from(["", "/performance", "/params"]))
    def read(self, route: str) -> None:
        asked = time.time()
        found = self.asked("GET", f"/v1/models/iris{route}").json()
        self.answered_by(asked, found["model" if route else "tag"])

    @rule(name=st.sampled_from(["nope", "classes", "%2e%2e"]))
    def read_what_is_not_there(self, name: str) -> None:
        response = self.asked("GET", f"/v1/models/iris/params/{name}")
        assert response.status_code == 404

    @rule()
    def list_models(self) -> None:
        asked = time.time()
        (listed,) = self.asked("GET", "/v1/models").json()
        assert listed["ready"]
        self.answered_by(asked, listed["production"])

    @rule(which=st.integers(0, 1))
    def promote(self, which: int) -> None:
        model, tag = self.world.model, self.world.tags[which]
        if tag == model.standing[-1]:
            with pytest.raises(AlreadyProduction):
                promote(self.world.ledger, tag, self.world.digests[tag])
            return
        event = promote(self.world.ledger, tag, self.world.digests[tag])
        model.standing.append(tag)
        model.moved(event)
        model.count("promotions")

    @rule()
    def roll_back(self) -> None:
        model = self.world.model
        if len(model.standing) == WARM:
            return
        event = roll_back(self.world.ledger)
        model.standing.pop()
        model.moved(event)
        model.count("rollbacks")

    @invariant()
    def the_ledger_says_what_we_believe(self) -> None:
        newest, standing = self.world.ledger.head_sequence(), self.world.model.standing
        assert newest == len(self.world.model.moves)
        if newest == self.world.model.believed:
            return
        self.world.model.believed = newest
        found = self.world.ledger.ledger().production("iris")
        assert found is not None
        assert found.tag == standing[-1]
        assert found.previous == (standing[-2] if len(standing) > 1 else None)

    def teardown(self) -> None:
        """After the last step the listing comes to agree with the ledger."""
        standing = self.world.model.standing
        previous = standing[-2] if len(standing) > 1 else None
        until_listed(self.world, standing[-1], previous, SETTLED)


def run(world: World, figure: Figure, runs: int, steps: int) -> None:
    """Run the machine; the ledger goes on from run to run, so nothing is shrunk."""
    workers = world.server.workers()
    world.model.late.clear()
    machine = type("Api", (Api,), {"world": world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=steps,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    world.ledger.verified()
    assert world.server.workers() == workers
    figure("runs", runs)
    figure("steps in each", steps)
    for name, count in sorted(world.model.counts.items()):
        figure(name, count)
    if world.model.late:
        raise TooSlow(f"{len(world.model.late)} answers by a version after its time")


@measures_time
@pytest.mark.timeout(600)
def test_c15_every_answer_is_by_a_version_that_was_production(
    world: World, figure: Figure
) -> None:
    run(world, figure, runs=10, steps=30)


@measures_time
@pytest.mark.slow
@pytest.mark.timeout(2 * 3600)
def test_c15_at_length(world: World, figure: Figure) -> None:
    run(world, figure, runs=int(os.environ.get("FUZZ_RUNS", "500")), steps=50)


def test_c15_an_answer_by_a_version_that_was_not_production_is_noticed(
    world: World,
) -> None:
    noticed: list[str] = []

    class Forgetful(Api):
        """Its model forgets all moves: it believes that the first version answers."""

        def answered_by(self, asked: float, tag: str) -> None:
            if tag != self.world.tags[0]:
                noticed.append(tag)
                raise AssertionError("not production")

    machine = type("Forgetful", (Forgetful,), {"world": world})
    quick = settings(
        max_examples=20,
        stateful_step_count=30,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    # What failed is run again, and the ledger has moved on: it may well go otherwise then.
    with pytest.raises((AssertionError, Flaky)):
        run_state_machine_as_test(machine, settings=quick)
    assert noticed
