"""C-72, C-67, C-87 by `ekiben deploy`: replicas of real Bentos behind HAProxy, replaced under load."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from ekiben.datasets import Table, load
from ekiben.errors import DeployFailed
from ekiben.packaging.bentos import find_bento
from ekiben.packaging.deploying import Deployer, Wish
from ekiben.packaging.golden_check import GoldenCheck
from ekiben.predictor import load_predictor
from ekiben.registry.store import Store
from ekiben.training import train
from ekiben.use_cases.catalog import get_use_case
from tests.criteria_plugin import Figure
from tests.faults.hosts import (
    NAME,
    SETTINGS,
    Host,
    Release,
    check,
    damage,
    derive,
    host,
    kill_all,
    make_wrong,
    wrong_answers,
)
from tests.faults.lives import until
from tests.faults.steady import SteadyTraffic
from tests.faults.traffic import IRIS, Traffic
from tests.servers import environment
from tests.tiny import productions, promote

pytestmark = [pytest.mark.alone, pytest.mark.server]

USE_CASE = get_use_case("iris")
BACK_SECONDS = 15.0
START_SECONDS = 120.0


@dataclass(frozen=True)
class Site:
    """A home with Bentos: two that are sound, one that answers wrong."""

    home: Path
    a: Release
    b: Release
    wrong: Release


def make_version(home: Path, turn: int) -> str:
    """Train with every species called by the name of another, *turn* names on."""
    whole = load(USE_CASE.dataset, cache=home, offline=True)
    names = list(USE_CASE.classes)
    others = {name: names[(at + turn) % 3] for at, name in enumerate(names)}
    target = whole.frame[USE_CASE.dataset.target].map(others)
    frame = whole.frame.assign(**{USE_CASE.dataset.target: target})
    table = Table(frame, whole.card)
    manifest = train(
        USE_CASE,
        table,
        Store.at(home),
        now=lambda: datetime.now(UTC),
        clock=time.perf_counter,
    )
    return manifest.card.tag


def answer(home: Path, tag: str) -> dict[str, Any]:
    (found,) = load_predictor(Store.at(home), USE_CASE, tag).predict_raw([IRIS])
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    home = tmp_path_factory.mktemp("site")
    store = Store.at(home)
    tags = [make_version(home, turn) for turn in (0, 1)]
    promote(home, store.manifest(tags[0]), at=datetime.now(UTC))
    built = Host(home, 0).run("build", "--use-case", "iris", "--json")
    assert built.returncode == 0, built.stderr
    first = find_bento(home, NAME).tag
    derive(home, first, "b", tags[1])
    make_wrong(derive(home, first, "wrong", tags[1]))
    answers = [answer(home, tag) for tag in tags]
    assert answers[0]["species"] != answers[1]["species"]
    return Site(
        home,
        Release(first, tags[0], answers[0]),
        Release(f"{NAME}:b", tags[1], answers[1]),
        Release(f"{NAME}:wrong", tags[1], answers[1]),
    )


@pytest.fixture
def ground(site: Site, haproxy: str) -> Iterator[Host]:
    """The site's home on a free port; HAProxy is there."""
    with host(site.home) as made:
        yield made


@pytest.mark.slow
def test_c72_a_wrong_bento_is_undone_and_a_right_one_takes_over_and_nothing_is_lost(
    site: Site, ground: Host
) -> None:
    deployer(ground).deploy(wish(ground, site.a.bento, 1))
    before = ground.numbers()

    with Traffic(ground.url, rate=50) as traffic:
        with pytest.raises(DeployFailed) as refused:
            deployer(ground).deploy(wish(ground, site.wrong.bento))
        assert ground.numbers() == before
        done = deployer(ground).deploy(wish(ground, site.b.bento))

    assert f"{site.b.tag} answers golden row 0 wrong" in str(refused.value)
    assert f"{site.a.bento} answers as before" in str(refused.value)
    assert check(traffic, site.a, site.b) == {site.a.tag, site.b.tag}
    assert done.revision(done.current or 0).models == {"iris": site.b.tag}


@pytest.mark.slow
def test_c72_c87_a_to_b_and_rolled_back_loses_nothing_and_the_ledger_agrees(
    site: Site, ground: Host, figure: Figure
) -> None:
    ground.deploy(site.a.bento, "--replicas", "2")

    with SteadyTraffic(ground.url, rate=200) as traffic:
        time.sleep(2)
        promote(
            site.home, Store.at(site.home).manifest(site.b.tag), at=datetime.now(UTC)
        )
        ground.deploy(site.b.bento)
        found = ground.deployed()
        assert (found["bento"], found["models"]) == (site.b.bento, {"iris": site.b.tag})
        assert found["ledger"] == {}
        time.sleep(2)
        back = ground.run("deploy", "--rollback")
        time.sleep(2)

    assert back.returncode == 0, back.stderr
    assert check(traffic, site.a, site.b) == {site.a.tag, site.b.tag}
    assert traffic.outcomes[-1].body[0]["model"] == site.a.tag
    found = ground.deployed()
    assert (found["bento"], found["previous"]) == (site.a.bento, site.b.bento)
    assert found["ledger"] == {}
    assert productions(site.home)["iris"].tag == site.a.tag
    figure("requests", len(traffic.outcomes))
    figure("requests a second", round(traffic.achieved))


@pytest.mark.slow
def test_c72_what_never_gets_ready_or_does_not_start_is_undone(
    site: Site, ground: Host
) -> None:
    ground.deploy(site.a.bento, "--replicas", "2")
    before = ground.numbers()
    port = ["--port", str(ground.port)]
    unsound = make_version(site.home, turn=2)
    damage(site.home, unsound)
    derive(site.home, site.a.bento, "damaged", unsound)

    with SteadyTraffic(ground.url, rate=200) as traffic:
        never = ground.run("deploy", f"{NAME}:damaged", *port, "--wait", "20")
        ended = ground.run(
            "deploy", site.b.bento, *port, extra={"EKIBEN_MODELS": "spam"}
        )

    assert (never.returncode, ended.returncode) == (1, 1)
    # On a busy machine it may not even listen by then.
    assert "a new replica was not ready within 20 s: " in never.stderr
    assert "EKIBEN_MODELS: no use case spam here" in ended.stderr
    assert ground.numbers() == before
    assert check(traffic, site.a) == {site.a.tag}


@pytest.mark.slow
def test_c72_without_the_golden_check_clients_get_wrong_answers(
    site: Site, ground: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.deploy(site.a.bento, "--replicas", "1")

    monkeypatch.setattr(GoldenCheck, "run", lambda self, ask: dict(self.expected))
    with Traffic(ground.url, rate=50) as traffic:
        deployer(ground).deploy(wish(ground, site.wrong.bento))
        time.sleep(1)

    assert wrong_answers(traffic, site.a, site.b)


@pytest.mark.slow
def test_c67_without_readiness_and_drain_requests_are_lost(
    site: Site, ground: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ekiben.packaging.rollout import Rollout

    ground.deploy(site.a.bento, "--replicas", "1")
    monkeypatch.setattr(Rollout, "_wait_until_ready", lambda self, replica: None)
    monkeypatch.setattr(GoldenCheck, "run", lambda self, ask: dict(self.expected))
    monkeypatch.setattr(
        "ekiben.packaging.balancer.Balancer.wait_until_up", lambda self, slot: True
    )

    with Traffic(ground.url, rate=50) as traffic:
        deployer(ground).deploy(wish(ground, site.b.bento))

    assert {one.status for one in traffic.outcomes} > {200}


@pytest.mark.slow
def test_c65_a_killed_replica_is_back_in_time_and_only_its_own_requests_fail(
    site: Site, ground: Host, figure: Figure
) -> None:
    began = time.monotonic()
    ground.deploy(site.a.bento, "--replicas", "2")
    # Where a start alone takes longer than the limit, nobody can be back sooner.
    limit = max(BACK_SECONDS, time.monotonic() - began)
    victim = ground.numbers()[0]

    with SteadyTraffic(ground.url, rate=200) as traffic:
        time.sleep(2)
        killed_at = time.monotonic()
        kill_all(ground.replica(victim))
        until(lambda: ready(ground) == 1, START_SECONDS)
        until(lambda: ready(ground) == 2, 2 * limit + START_SECONDS)
        seconds = time.monotonic() - killed_at
        time.sleep(1)

    failed = [one for one in traffic.outcomes if one.status != 200]
    figure("seconds until back", round(seconds, 1))
    figure("requests lost", len(failed))
    figure("requests a second", round(traffic.achieved))
    assert seconds < limit
    # What was on its way to it when it died: none that came half a second later.
    assert all(killed_at - 2 < one.at < killed_at + 0.5 for one in failed), failed
    assert len(failed) <= 40


@pytest.mark.slow
@pytest.mark.parametrize("replaced", [0, 1])
def test_a_deploy_that_is_killed_leaves_a_service_and_the_next_repairs(
    site: Site, ground: Host, replaced: int
) -> None:
    ground.deploy(site.a.bento, "--replicas", "2")

    with Traffic(ground.url, rate=50) as traffic:
        with ground.started("deploy", site.b.bento, "--port", str(ground.port)):
            until(lambda: state_of(ground).target is not None, START_SECONDS)
            busy = ground.run("deploy", "--resume")
            until(lambda: replaced_in(ground) >= replaced, START_SECONDS)
        assert ground.deployed()["unfinished"]
        repaired = ground.run("deploy", "--resume")

    assert busy.returncode == 1
    assert "another deploy of ekiben is at work" in busy.stderr
    assert repaired.returncode == 0, repaired.stderr
    assert check(traffic, site.a, site.b) >= {site.a.tag}
    found = ground.deployed()
    assert (found["bento"], found["unfinished"]) == (site.a.bento, False)
    assert [one["ready"] for one in found["replicas"]] == [True, True]


@pytest.mark.slow
def test_what_keeps_replicas_may_be_killed_and_resume_brings_everything_back(
    site: Site, ground: Host
) -> None:
    ground.deploy(site.a.bento, "--replicas", "1")
    (number,) = ground.numbers()
    replica, program = ground.replica(number), ground.replica(number).pid
    assert program

    kill(replica.keeper_pid)
    until(lambda: replica.keeper_pid is None, START_SECONDS)
    assert httpx.get(f"{ground.url}/readyz").status_code == 200
    assert not ground.deployed()["replicas"][0]["kept"]
    assert ground.run("deploy", "--resume").returncode == 0
    assert replica.pid == program

    # As after a reboot: nothing runs any more.
    balancer = ground.place.balancer
    for kept in (replica, type(replica)(balancer)):
        kill(kept.keeper_pid)
        kill_all(kept)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{ground.url}/readyz")
    done = ground.run("deploy", "--resume")

    assert done.returncode == 0, done.stderr
    assert httpx.get(f"{ground.url}/readyz").status_code == 200


def replaced_in(ground: Host) -> int:
    """Return how many replicas of a roll-out under way get requests."""
    state = state_of(ground)
    new = (one for one in state.replicas if one.revision == state.target)
    return sum(one.state == "live" for one in new)


def ready(ground: Host) -> int:
    """Return how many replicas answer that they are ready."""
    state, found = state_of(ground), 0
    for replica in state.replicas:
        with contextlib.suppress(httpx.TransportError):
            asked = httpx.get(f"http://127.0.0.1:{replica.port}/readyz", timeout=5)
            found += asked.status_code == 200
    return found


def state_of(ground: Host):  # type: ignore[no-untyped-def]
    state = ground.place.read()
    assert state
    return state


def deployer(ground: Host) -> Deployer:
    environ = environment(ground.home, SETTINGS)
    return Deployer(ground.place, environ, wait_seconds=60, tell=lambda line: None)


def wish(ground: Host, bento: str, count: int | None = None) -> Wish:
    found = find_bento(ground.home, NAME, bento)
    return Wish(found, "process", "127.0.0.1", ground.port, count)


def kill(pid: int | None) -> None:
    assert pid
    os.kill(pid, signal.SIGKILL)
