"""`ekiben deploy` with containers: replaced, killed and rolled back under load, keys in PostgreSQL."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ekiben.packaging.containers import Engine
from tests.criteria_plugin import Figure
from tests.e2e.databases import shared_database
from tests.faults.lives import until
from tests.faults.steady import SteadyTraffic
from tests.servers import PROJECT, environment, free_port

SECONDS = 300.0
"""That a container may take on a busy machine; none of them is measured by it."""


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
def site(image_home: Path, haproxy: str) -> Iterator[Site]:
    with shared_database() as url:
        secrets = {
            "EKIBEN_DATABASE_URL": url,
            "EKIBEN_KEY_PEPPER": "a pepper that only the tests have",
            "EKIBEN_DRAIN_SECONDS": "1",
        }
        made = Site(image_home, free_port(), secrets)
        try:
            yield made
        finally:
            made.run("undeploy")


def containers(engine: Engine) -> list[str]:
    return engine.names("ekiben.deployment=ekiben")


def test_c72_c87_containers_are_replaced_killed_and_rolled_back_under_load(
    engine: Engine, image: str, bento: str, site: Site, figure: Figure
) -> None:
    place = ["--port", str(site.port), "--image", image, "--wait", str(SECONDS)]
    key = site.facts("keys", "create", "--scope", "predict")["key"]
    first = site.facts("deploy", bento, *place, "--replicas", "2")
    assert first["runtime"] == "container"
    assert first["digest"] == engine.digest(image)
    old = containers(engine)
    assert len(old) == 2

    with SteadyTraffic(site.url, rate=100, key=key) as traffic:
        second = site.facts("deploy", bento, *place, EKIBEN_QUEUE_MS="900")
        assert second["revision"] != first["revision"]
        back = site.facts("deploy", "--rollback", "--wait", str(SECONDS))
    assert {one.status for one in traffic.outcomes} == {200}
    assert back["revision"] == first["revision"]
    assert back["digest"] == first["digest"]
    assert len(containers(engine)) == 2
    assert not set(containers(engine)) & set(old)

    victim = engine.container(containers(engine)[0])
    assert victim is not None
    with SteadyTraffic(site.url, rate=100, key=key) as traffic:
        time.sleep(1)
        killed_at = time.monotonic()
        os.kill(victim.pid, signal.SIGKILL)
        until(lambda: ready(back) < 2, SECONDS)
        until(lambda: ready(back) == 2, SECONDS)
        figure("seconds until back", round(time.monotonic() - killed_at, 1))
    failed = [one for one in traffic.outcomes if one.status != 200]
    figure("requests lost", len(failed))
    assert all(killed_at - 2 < one.at < killed_at + 0.5 for one in failed)


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
