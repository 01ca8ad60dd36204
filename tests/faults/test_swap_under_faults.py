"""C-45, C-52: a swap while something else goes wrong is refused or completed, never half."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
from psutil import process_iter

from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Event, Grounds
from ekiben.registry.manifest import Manifest
from ekiben.registry.store import Store
from tests.faults.ledger_children import race_over
from tests.faulty import IRIS, faulty, sound
from tests.integration.test_ledger_races import racing
from tests.oracle import metric
from tests.servers import PATIENCE, Server, serve
from tests.tiny import ledger_url

pytestmark = pytest.mark.server

WORKERS = 2
LEAD = timedelta(seconds=8)
STOP_SECONDS = 60
"""What is not bounded waits for the probe: longer."""
SETTINGS = {
    "EKIBEN_MODELS": "iris",
    "BENTOML_CONFIG_OPTIONS": f"services.ekiben.workers={WORKERS}",
}


class Home:
    """A store with three versions of iris, the first of them production."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.path = path
        store = Store.at(path)
        self.versions = [sound(store, path, seed) for seed in range(3)]
        self.tags = [one.card.tag for one in self.versions]
        self.promote(self.versions[0])

    def promote(self, version: Manifest, lead: timedelta = LEAD) -> Event:
        with LedgerDatabase.opened(ledger_url(self.path)) as ledger:
            return ledger.append(
                "iris",
                lambda found: found.promote(
                    "iris",
                    version.card.tag,
                    version.digest,
                    Grounds(actor="a test"),
                    seen=found.last("iris"),
                    at=datetime.now(UTC),
                    lead=lead,
                ),
            )

    def events(self) -> tuple[Event, ...]:
        with LedgerDatabase.opened(ledger_url(self.path)) as ledger:
            return ledger.verified().history("iris")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@contextmanager
def serving(home: Home, **extra: str) -> Iterator[Server]:
    with serve(home.path, extra=SETTINGS | extra) as server:
        yield server


def answers(server: Server, times: int = 10) -> set[str]:
    """Return by which versions requests are answered, each over a new connection.

    Statuses stand for answers that name no version.
    """
    found = set()
    for _ in range(times):
        try:
            answer = httpx.post(
                server.url + "/v1/iris/predict", json={"rows": IRIS.examples[:1]}
            )
            found.add(answer.headers.get("x-model", str(answer.status_code)))
        except httpx.TransportError:
            found.add("cut")
    return found


def answers_until(
    server: Server, condition: Callable[[set[str]], bool], seconds: float
) -> set[str]:
    """Ask until the newest answers are as *condition* says; return all that came."""
    came: set[str] = set()
    limit = time.monotonic() + max(seconds, PATIENCE)
    while time.monotonic() < limit:
        newest = answers(server)
        came |= newest
        if condition(newest):
            return came
        time.sleep(0.1)
    raise AssertionError(f"it did not happen; there came {came}")


def only(tag: str) -> Callable[[set[str]], bool]:
    return lambda newest: newest == {tag}


def wait_for_all(server: Server, tag: str) -> None:
    """Wait until each worker answers by *tag*: a few answers may all be of one worker."""
    answering = "ekiben_version_answering"
    wait(lambda: metric(server.url, answering, model=tag) == WORKERS, 60)


def probes(home: Home) -> list[int]:
    """Return the processes that try a version of *home*."""
    told = [(one.pid, one.info["cmdline"] or []) for one in process_iter(["cmdline"])]
    return [
        pid
        for pid, words in told
        if "ekiben.serving.probe" in words and str(home.path) in words[-1]
    ]


def wait(condition: Callable[[], object], seconds: float) -> None:
    limit = time.monotonic() + max(seconds, PATIENCE)
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.02)


def test_c52_a_worker_that_dies_in_the_lead_comes_back_and_swaps_with_the_others(
    home: Home,
) -> None:
    first, second, _ = home.tags
    with serving(home) as server:
        event = home.promote(home.versions[1], lead=timedelta(seconds=20))
        dead = server.workers()[0]
        os.kill(dead, signal.SIGKILL)
        wait(lambda: len(set(server.workers()) - {dead}) == WORKERS, 15)

        before = set()
        while datetime.now(UTC) < event.effective - timedelta(seconds=0.5):
            newest = answers(server, 4)
            # A machine that stood still in between may be past the moment.
            if datetime.now(UTC) < event.effective:
                before |= newest
        came = answers_until(server, only(second), 30)
        wait_for_all(server, second)

        assert before - {"cut", "503"} == {first}
        assert came - {"cut", "503"} <= {first, second}
        assert answers(server, 40) == {second}
        assert [one.to_tag for one in home.events()] == [first, second]


@pytest.mark.slow
def test_c52_a_server_that_is_stopped_in_a_swap_ends_and_starts_with_production(
    home: Home,
) -> None:
    _, second, _ = home.tags
    with serving(home) as server:
        home.promote(home.versions[1])
        wait(lambda: probes(home), 10)
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(STOP_SECONDS) in (0, -signal.SIGTERM, 143)
        wait(lambda: not probes(home), 2)
    with serving(home) as again:
        answers_until(again, only(second), 30)
        assert answers(again, 40) == {second}


@pytest.mark.slow
def test_c52_of_two_swaps_at_once_the_newer_is_made(home: Home) -> None:
    first, second, third = home.tags
    with serving(home) as server:
        home.promote(home.versions[1], lead=timedelta(seconds=3))
        time.sleep(0.5)
        home.promote(home.versions[2], lead=timedelta(seconds=3))

        came = answers_until(server, only(third), 60)
        wait_for_all(server, third)

        assert came <= {first, second, third}
        time.sleep(5)  # what still loads must not come later
        assert answers(server, 40) == {third}


@pytest.mark.parametrize(
    "rounds",
    [20, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
def test_c45_after_operators_raced_all_workers_answer_by_what_came_last(
    home: Home, rounds: int
) -> None:
    versions = [(one.card.tag, one.digest) for one in home.versions]
    url = ledger_url(home.path)
    with serving(home) as server:
        won = racing(partial(race_over, versions), url, rounds)
        with LedgerDatabase.opened(url) as database:
            production = database.verified().production("iris")
        assert production is not None
        came = answers_until(server, only(production.tag), 120)
        wait_for_all(server, production.tag)

        assert len(set(won)) == len(won) > rounds // 4
        assert came <= set(home.tags)
        time.sleep(3)  # what still loads must not come later
        assert answers(server, 40) == {production.tag}


@pytest.mark.slow
def test_c52_where_memory_is_short_the_swap_is_refused_and_the_old_version_answers(
    home: Home,
) -> None:
    first = home.tags[0]
    greedy = faulty(Store.at(home.path), home.versions[0], "greedy", later=0)
    with serving(home, EKIBEN_PROBE_MEGABYTES="512") as server:
        home.promote(greedy, lead=timedelta(seconds=1))

        wait(lambda: home.events()[-1].action == "reject", 60)

        assert answers(server, 40) == {first}
        assert httpx.get(server.url + "/readyz").status_code == 200
        assert "memory" in home.events()[-1].reason
    # Nor does a worker that starts now load it.
    with serving(home, EKIBEN_PROBE_MEGABYTES="512") as again:
        rejected = 'ekiben_swaps_total{result="rejected",use_case="iris"} 1.0'
        wait(lambda: rejected in httpx.get(again.url + "/metrics").text, 60)
        assert answers(again, 40) == {first}
        assert len(home.events()) == 3
