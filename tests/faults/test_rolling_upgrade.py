"""C-72: servers are replaced one by one under load, forth and back; what never gets ready replaces nobody."""

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from ekiben.datasets import Table, load
from ekiben.predictor import load_predictor, same
from ekiben.registry.store import Store
from ekiben.training import train
from ekiben.use_cases.catalog import get_use_case
from tests.criteria_plugin import Figure
from tests.faults.lives import FLOWERS
from tests.faults.traffic import IRIS, Traffic
from tests.haproxy import Balancer, balance
from tests.servers import PATIENCE, PROJECT, Server, environment, free_port, serve
from tests.tiny import promote

pytestmark = [pytest.mark.alone, pytest.mark.server]

USE_CASE = get_use_case("iris")
READY_SECONDS = 180.0
NEVER_READY_SECONDS = 15.0
DRAIN = {"EKIBEN_DRAIN_SECONDS": "4"}
"""Enough for a balancer that has to wait for its turn on a busy machine."""
SHORT_DRAIN = {"EKIBEN_DRAIN_SECONDS": "2"}


@dataclass(frozen=True)
class Release:
    """A home with one version of the flowers, and what it answers to one."""

    home: Path
    tag: str
    answer: dict[str, Any]


def make_release(home: Path, skipped: int) -> Release:
    """Train without the first *skipped* rows, and promote."""
    whole = load(USE_CASE.dataset, cache=home, offline=True)
    table = Table(whole.frame.iloc[skipped:].reset_index(drop=True), whole.card)
    store = Store.at(home)
    manifest = train(
        USE_CASE,
        table,
        store,
        now=lambda: datetime.now(UTC),
        clock=time.perf_counter,
    )
    promote(home, manifest, at=datetime.now(UTC))
    tag = manifest.card.tag
    (answer,) = load_predictor(store, USE_CASE, tag).predict_raw([IRIS])
    return Release(home, tag, answer)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Release, Release]:
    a, b = (tmp_path_factory.mktemp(name) for name in ("a", "b"))
    return make_release(a, 0), make_release(b, 40)


@dataclass
class Deployment:
    """Replicas behind a balancer, and one port more: maxSurge 1, maxUnavailable 0."""

    stack: ExitStack
    spare: int
    drain: dict[str, str]
    replicas: list[Server] = field(default_factory=list)
    balancer: Balancer = field(init=False)

    def start(self, home: Path) -> Server:
        return self.stack.enter_context(
            serve(home, extra=FLOWERS | self.drain, port=self.spare, wait=False)
        )

    def roll_out(self, home: Path, patience: float = READY_SECONDS) -> bool:
        """Replace every replica by one of *home*; stop at the first that is not ready."""
        for old in list(self.replicas):
            new = self.start(home)
            if not is_ready(new, patience):
                end(new)
                return False
            self.balancer.wait_for(self.spare)
            self.replicas = [one for one in self.replicas if one is not old] + [new]
            stop(old, self.drain)
            self.spare = port_of(old)
        return True


def port_of(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


def is_ready(server: Server, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{server.url}/readyz", timeout=2).status_code == 200:
                return True
        time.sleep(0.2)
    return False


def stop(server: Server, drain: dict[str, str]) -> None:
    """Do what Kubernetes does with a preStop hook: drain, then SIGTERM."""
    subprocess.run(
        [sys.executable, "-m", "ekiben", "drain", "--port", str(port_of(server))],
        cwd=PROJECT,
        env=environment(Path("/nowhere"), drain),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    end(server)


def end(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(PATIENCE) in (0, -signal.SIGTERM)


@contextlib.contextmanager
def deployed(
    release: Release,
    replicas: int,
    haproxy: str,
    place: Path,
    drain: dict[str, str] = DRAIN,
) -> Iterator[tuple[str, Deployment]]:
    ports = [free_port() for _ in range(replicas + 1)]
    with ExitStack() as stack:
        made = Deployment(stack, ports[-1], drain)
        for port in ports[:-1]:
            made.spare = port
            made.replicas.append(made.start(release.home))
        made.spare = ports[-1]
        door = stack.enter_context(balance(haproxy, ports, place))
        made.balancer = door
        assert all(is_ready(one, READY_SECONDS) for one in made.replicas)
        for port in ports[:-1]:
            door.wait_for(port)
        yield door.url, made


def check(traffic: Traffic, *releases: Release) -> set[str]:
    """Assert that every answer is right for the version it names; return the versions."""
    assert {one.status for one in traffic.outcomes} == {200}
    expected = {release.tag: release.answer for release in releases}
    for outcome in traffic.outcomes:
        (prediction,) = outcome.body
        answer = expected[prediction["model"]]
        assert all(same(value, prediction[key]) for key, value in answer.items())
    return {outcome.body[0]["model"] for outcome in traffic.outcomes}


@pytest.mark.slow
def test_c72_an_upgrade_and_its_way_back_lose_nothing(
    releases: tuple[Release, Release], haproxy: str, tmp_path: Path, figure: Figure
) -> None:
    a, b = releases
    with (
        deployed(a, 2, haproxy, tmp_path) as (url, deployment),
        Traffic(url, rate=200) as traffic,
    ):
        time.sleep(2)
        assert deployment.roll_out(b.home)
        time.sleep(2)
        assert deployment.roll_out(a.home)
        time.sleep(2)

    assert check(traffic, a, b) == {a.tag, b.tag}
    assert traffic.outcomes[-1].body[0]["model"] == a.tag
    figure("requests", len(traffic.outcomes))


def test_c72_what_never_gets_ready_replaces_nobody_and_what_does_loses_nothing(
    releases: tuple[Release, Release], haproxy: str, tmp_path: Path
) -> None:
    a, b = releases
    with deployed(a, 1, haproxy, tmp_path) as (url, deployment):
        (before,) = deployment.replicas
        with Traffic(url, rate=50) as traffic:
            assert not deployment.roll_out(damaged(b, tmp_path), NEVER_READY_SECONDS)
            assert deployment.replicas == [before]
            assert deployment.roll_out(b.home)

    assert check(traffic, a, b) == {a.tag, b.tag}


def damaged(release: Release, place: Path) -> Path:
    """Return a home whose version is not what was registered."""
    home = place / "damaged"
    shutil.copytree(release.home, home)
    path = home / "models" / release.tag.replace(":", "/") / "saved_model.pkl"
    content = bytearray(path.read_bytes())
    content[100] ^= 0x10
    path.write_bytes(content)
    return home


@pytest.mark.slow
def test_c72_without_waiting_for_readiness_requests_are_lost(
    releases: tuple[Release, Release], haproxy: str, tmp_path: Path
) -> None:
    a, b = releases
    with deployed(a, 1, haproxy, tmp_path, SHORT_DRAIN) as (url, deployment):
        (old,) = deployment.replicas
        with Traffic(url, rate=50) as traffic:
            deployment.start(b.home)
            stop(old, SHORT_DRAIN)

    assert {one.status for one in traffic.outcomes} > {200}
