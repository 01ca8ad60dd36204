"""`ekiben deploy` with containers: replaced, killed and rolled back under load, keys in PostgreSQL."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from ekiben.packaging.bentos import find_bento
from ekiben.packaging.containers import Engine
from ekiben.packaging.revisions import production_of
from ekiben.predictor import load_predictor
from ekiben.registry.store import Store
from ekiben.use_cases.catalog import get_use_case
from tests.criteria_plugin import Figure
from tests.e2e.conftest import NAME as IMAGES
from tests.e2e.databases import shared_database
from tests.faults.hosts import NAME, Release, check
from tests.faults.lives import until
from tests.faults.steady import SteadyTraffic
from tests.faults.test_deploy import make_version
from tests.faults.traffic import IRIS
from tests.servers import PROJECT, environment, free_port
from tests.tiny import promote

SECONDS = 300.0
"""That a container may take on a busy machine; none of them is measured by it."""
BACK_SECONDS = 15.0


@dataclass(frozen=True)
class Site:
    """A home, where its deployment answers, and what containers have to be told."""

    home: Path
    port: int
    secrets: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *given: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ekiben", *given],
            cwd=PROJECT,
            env=environment(self.home, {**self.secrets, **settings}),
            capture_output=True,
            text=True,
            check=False,
        )

    def facts(self, *given: str, **settings: str) -> Any:
        done = self.run(*given, "--json", **settings)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def site(image_home: Path, tmp_path: Path, haproxy: str) -> Iterator[Site]:
    """A copy of the home with its Bentos, for more of them; ledger and keys in PostgreSQL."""
    home = tmp_path / "site"
    shutil.copytree(image_home, home, symlinks=True)
    with shared_database() as url:
        secrets = {
            "EKIBEN_DATABASE_URL": url,
            "EKIBEN_KEY_PEPPER": "a pepper that only the tests have",
            "EKIBEN_DRAIN_SECONDS": "1",
            # Two containers that start beside those that answer are much for a busy
            # machine; a server that refuses what comes too late loses nothing.
            "EKIBEN_QUEUE_MS": "20000",
        }
        made = Site(home, free_port(), secrets)
        try:
            yield made
        finally:
            made.run("undeploy")


def containers(engine: Engine) -> list[str]:
    return engine.names("ekiben.deployment=ekiben")


def release(home: Path, bento: str) -> Release:
    """Return what the Bento answers to the flower, by the version that it holds."""
    tag = production_of(find_bento(home, NAME, bento), ["iris"])["iris"]
    predictor = load_predictor(Store.at(home), get_use_case("iris"), tag)
    (answer,) = predictor.predict_raw([IRIS])
    return Release(bento, tag, answer)


@contextlib.contextmanager
def another(engine: Engine, site: Site) -> Iterator[tuple[Release, str]]:
    """A Bento whose model calls every species by another's name, and its image's digest."""
    tag = make_version(site.home, turn=1)
    promote(site.home, Store.at(site.home).manifest(tag), at=datetime.now(UTC))
    build = {"EKIBEN_DATABASE_URL": ""}
    bento: str = site.facts("build", **build)["bento"]
    name = f"{IMAGES}:other"
    given = ["--tag", name, "--engine", engine.name]
    try:
        digest: str = site.facts("containerize", bento, *given, **build)["digest"]
        yield release(site.home, bento), digest
    finally:
        command = [engine.program, "rmi", "--force", name]
        subprocess.run(command, check=False, capture_output=True)


def test_c72_c87_containers_are_replaced_killed_and_rolled_back_under_load(
    engine: Engine, image: str, bento: str, site: Site, figure: Figure
) -> None:
    # By digest: who tests beside us may give the name to another image.
    digest = engine.digest(image)
    place = ["--port", str(site.port), "--wait", str(SECONDS)]
    key = site.facts("keys", "create", "--scope", "predict")["key"]
    a = release(site.home, bento)
    began = time.monotonic()
    first = site.facts("deploy", bento, *place, "--image", digest, "--replicas", "2")
    # Where starts alone take longer than the limit, nobody can be back sooner.
    limit = max(BACK_SECONDS, time.monotonic() - began)
    assert first["runtime"] == "container"
    assert first["digest"] == digest
    old = containers(engine)
    assert len(old) == 2

    with another(engine, site) as (b, digest_of_b):
        assert a.answer["species"] != b.answer["species"]
        with SteadyTraffic(site.url, rate=200, key=key) as traffic:
            second = site.facts("deploy", b.bento, *place, "--image", digest_of_b)
            back = site.facts("deploy", "--rollback", "--wait", str(SECONDS))
            time.sleep(1)
    assert check(traffic, a, b) == {a.tag, b.tag}
    assert traffic.outcomes[-1].body[0]["model"] == a.tag
    figure("requests while replaced", len(traffic.outcomes))
    figure("requests a second", round(traffic.achieved))
    assert second["revision"] != first["revision"]
    assert (second["digest"], second["models"]["iris"]) == (digest_of_b, b.tag)
    assert back["revision"] == first["revision"]
    assert back["digest"] == first["digest"]
    assert len(containers(engine)) == 2
    assert not set(containers(engine)) & set(old)

    victim = engine.container(containers(engine)[0])
    assert victim is not None
    with SteadyTraffic(site.url, rate=200, key=key) as traffic:
        time.sleep(1)
        killed_at = time.monotonic()
        os.kill(victim.pid, signal.SIGKILL)
        until(lambda: ready(back) < 2, SECONDS)
        until(lambda: ready(back) == 2, SECONDS)
        seconds = time.monotonic() - killed_at
    failed = [one for one in traffic.outcomes if one.status != 200]
    figure("seconds until back", round(seconds, 1))
    figure("requests lost", len(failed))
    assert seconds < limit
    assert all(killed_at - 2 < one.at < killed_at + 3 for one in failed)


def ready(facts: dict[str, Any]) -> int:
    """Return how many of the replicas answer that they are ready."""
    found = 0
    for replica in facts["replicas"]:
        try:
            url = f"http://127.0.0.1:{replica['port']}/readyz"
            found += httpx.get(url, timeout=5).status_code == 200
        except httpx.TransportError:
            continue
    return found


def test_containers_without_a_database_or_of_another_image_are_refused(
    image: str, bento: str, site: Site
) -> None:
    place = ["--port", str(site.port), "--image", image]
    without = site.run("deploy", bento, *place, EKIBEN_DATABASE_URL="")
    absent = site.run("deploy", bento, "--port", str(site.port), "--image", "nobody:1")

    assert (without.returncode, absent.returncode) == (1, 1)
    assert "find them in PostgreSQL" in without.stderr
    assert "there is no image nobody:1" in absent.stderr
    assert site.facts("deployments") == []
