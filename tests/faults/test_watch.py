"""C-51: a version that fails in live traffic is rolled back by the server itself, within 10 s."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from ekiben.predictor import load_predictor, same
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Event, Grounds
from ekiben.registry.manifest import Manifest
from ekiben.registry.store import Store
from tests.criteria_plugin import Figure
from tests.faulty import IRIS, faulty, sound
from tests.oracle import metric
from tests.servers import PROJECT, Server, environment, serve
from tests.timing import at_most, measures_time
from tests.tiny import ledger_url

pytestmark = pytest.mark.server

WORKERS = 2
CLIENTS = 6
SPECIES = "setosa"
"""Of the row that is asked."""
BACK_SECONDS = 10.0
BUSY = 3.0
"""How much slower a busy machine may be; without the watch nobody ever goes back."""
AFTERWARDS = 4.0
"""Seconds of traffic after the rollback."""
SETTINGS = {
    "EKIBEN_MODELS": "iris",
    "BENTOML_CONFIG_OPTIONS": f"services.ekiben.workers={WORKERS}",
}


@dataclass(frozen=True)
class Home:
    """A store whose first version is sound and production."""

    path: Path
    good: Manifest

    @property
    def store(self) -> Store:
        return Store.at(self.path)

    def promote(self, manifest: Manifest) -> Event:
        """Promote with force: no gate that a slow version would not pass."""
        with LedgerDatabase.opened(ledger_url(self.path)) as ledger:
            return ledger.append(
                "iris",
                lambda found: found.promote(
                    "iris",
                    manifest.card.tag,
                    manifest.digest,
                    Grounds(actor="a test", reason="faulty", forced=True),
                    seen=found.last("iris"),
                    at=datetime.now(UTC),
                ),
            )

    def events(self) -> tuple[Event, ...]:
        with LedgerDatabase.opened(ledger_url(self.path)) as ledger:
            return ledger.verified().history("iris")


def make_home(path: Path) -> Home:
    path.mkdir()
    home = Home(path, sound(Store.at(path), path))
    home.promote(home.good)
    return home


@dataclass(frozen=True)
class Got:
    """One answer: when it was asked for, how long it took, by which version."""

    asked: float
    took: float
    status: int
    body: Any

    @property
    def tag(self) -> str:
        return self.body[0]["model"] if self.status == 200 else str(self.status)


@dataclass
class Traffic:
    """What clients got who ask one request after the other; *newest* is on trial."""

    newest: str
    got: list[Got] = field(default_factory=list)

    def tags_since(self, moment: float) -> set[str]:
        return {one.tag for one in self.got if one.asked >= moment}

    def last_tags(self, seconds: float) -> set[str]:
        return self.tags_since(max(one.asked for one in self.got) - seconds)


async def _client(server: Server, traffic: Traffic, stop: asyncio.Event) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        while not stop.is_set():
            asked = time.time()
            answer = await client.post(
                "/v1/iris/predict", json={"rows": IRIS.examples[:1]}
            )
            took = time.time() - asked
            traffic.got.append(Got(asked, took, answer.status_code, answer.json()))
            await asyncio.sleep(0.02)


async def traffic_until(
    server: Server, newest: str, condition: Callable[[], bool], seconds: float
) -> Traffic:
    """Ask until *condition* holds, *seconds* at most, and AFTERWARDS."""
    traffic, stop = Traffic(newest), asyncio.Event()
    limit = time.monotonic() + seconds
    clients = [
        asyncio.create_task(_client(server, traffic, stop)) for _ in range(CLIENTS)
    ]
    while time.monotonic() < limit and not await asyncio.to_thread(condition):
        await asyncio.sleep(0.2)
    await asyncio.sleep(AFTERWARDS)
    stop.set()
    await asyncio.gather(*clients)
    return traffic


def was_rolled_back(home: Home) -> Callable[[], bool]:
    return lambda: home.events()[-1].action == "rollback"


def first_fault(traffic: Traffic, fault: str) -> float:
    """Return when a client first met *fault*."""

    def met(one: Got) -> bool:
        if fault in ("raises", "nan"):
            return one.status == 500
        if fault == "sleeps":
            return one.took > 0.4 and one.tag == traffic.newest
        return one.status == 200 and one.body[0]["species"] != SPECIES

    return next(one.asked + one.took for one in traffic.got if met(one))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("watch") / "home")


@pytest.fixture(scope="module")
def server(home: Home) -> Iterator[Server]:
    with serve(home.path, extra=SETTINGS) as running:
        yield running


@measures_time
@pytest.mark.alone
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param("raises", "requests failed", id="raises"),
        pytest.param("nan", "requests failed", id="nan", marks=[pytest.mark.slow]),
        pytest.param("sleeps", "ms; with iris:", id="500-ms-more"),
        pytest.param("lies", "answered differently", id="wrong-answers"),
    ],
)
def test_c51_a_version_that_fails_later_is_rolled_back_by_the_server(
    home: Home, server: Server, fault: str, said: str, figure: Figure
) -> None:
    bad = faulty(home.store, home.good, fault)
    before = metric(server.url, "ekiben_automatic_rollbacks_total")
    home.promote(bad)

    traffic = asyncio.run(
        traffic_until(server, bad.card.tag, was_rolled_back(home), 60)
    )

    *_, promoted, back = home.events()
    assert (promoted.to_tag, promoted.action) == (bad.card.tag, "promote")
    assert (back.to_tag, back.action) == (home.good.card.tag, "rollback")
    assert back.actor.startswith("server ")
    assert said in back.reason
    took = back.effective.timestamp() - first_fault(traffic, fault)
    figure(f"back after {fault}, s", took)
    assert traffic.last_tags(AFTERWARDS / 2) == {home.good.card.tag}
    check_answers_of_the_good(home, traffic)
    assert httpx.get(server.url + "/readyz").status_code == 200
    at_most(BUSY * BACK_SECONDS, took)
    # Half a second for a worker that only follows, or more on a busy machine.
    last = max(one.asked for one in traffic.got if one.tag != home.good.card.tag)
    at_most(0.5 * BUSY, last - back.effective.timestamp())
    listed = httpx.get(server.url + "/v1/models").json()
    assert listed[0]["production"] == home.good.card.tag
    # Each worker that found the fault by itself counts.
    counted = metric(server.url, "ekiben_automatic_rollbacks_total") - before
    assert 1 <= counted <= WORKERS


def check_answers_of_the_good(home: Home, traffic: Traffic) -> None:
    """Check that no answer that names the sound version is another's."""
    predictor = load_predictor(home.store, IRIS, home.good.card.tag)
    (expected,) = predictor.predict_raw(IRIS.examples[:1])
    of_good = [one.body[0] for one in traffic.got if one.tag == home.good.card.tag]
    assert of_good
    for one in of_good:
        assert all(same(value, one[key]) for key, value in expected.items())


def test_c51_without_the_watch_the_version_goes_on_failing(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    bad = faulty(home.store, home.good, "raises")
    with serve(home.path, extra=SETTINGS | {"EKIBEN_WATCH_SECONDS": "0"}) as server:
        home.promote(bad)
        traffic = asyncio.run(
            traffic_until(server, bad.card.tag, fails_for(server, BACK_SECONDS), 60)
        )

    assert traffic.last_tags(AFTERWARDS) == {"500"}
    assert home.events()[-1].action == "promote"


def fails_for(server: Server, seconds: float) -> Callable[[], bool]:
    """Whether every request has failed for *seconds*.

    Asks on many new connections: those of the clients may all be with one worker, and the
    version of the other would not fail for long.
    """
    good: list[float] = [time.monotonic()]

    def condition() -> bool:
        body = {"rows": IRIS.examples[:1]}
        for _ in range(20):
            answer = httpx.post(server.url + "/v1/iris/predict", json=body)
            if answer.status_code == 200:
                good[0] = time.monotonic()
        return time.monotonic() - good[0] > seconds

    return condition


@pytest.mark.slow
def test_c51_the_workers_of_a_pinned_bento_go_back_together(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    bad = faulty(home.store, home.good, "raises")
    home.promote(bad)
    built = subprocess.run(
        [sys.executable, "-m", "ekiben", "build", "--use-case", "iris", "--json"],
        cwd=PROJECT,
        env=environment(home.path),
        capture_output=True,
        text=True,
        check=True,
    )
    bento = json.loads(built.stdout)["bento"]
    local = home.path / "ekiben" / "local-rollbacks.json"
    python = {"PYTHONPATH": str(PROJECT)}

    with serve(home.path, target=bento, cwd=tmp_path, extra=SETTINGS | python) as one:
        traffic = asyncio.run(traffic_until(one, bad.card.tag, local.exists, 30))

    assert json.loads(local.read_text())["iris"]["tag"] == home.good.card.tag
    assert traffic.last_tags(AFTERWARDS / 2) == {home.good.card.tag}
    assert home.events()[-1].action == "promote"
