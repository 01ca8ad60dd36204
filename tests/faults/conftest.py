"""Servers for the fault tests: as shipped, and with a defence taken away."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import Server, serve

PATCHED = "tests.faults.patched:Ekiben"


@pytest.fixture(scope="session")
def library() -> Path:
    """The library that lies about the time; without it a test skips, but never in CI."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if found:
        return found[0]
    reason = "libfaketime is not installed: apt-get install faketime"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def unharmed(either_server: Server, client: httpx.Client) -> Iterator[None]:
    """After the test the same workers are there, and answer."""
    before = either_server.workers()
    yield
    assert either_server.workers() == before
    assert client.get("/readyz").status_code == 200


@pytest.fixture(scope="session")
def shared_home(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home's models and ledger in a home of its own, for one server at a time."""
    return home_beside(home, tmp_path_factory.mktemp("patched"))


def home_beside(home: Path, other: Path) -> Path:
    """Make *other* a home with the models of *home*: servers must not share metrics."""
    (other / "models").symlink_to(home / "models")
    (other / "ekiben").symlink_to(home / "ekiben")
    return other


@pytest.fixture(scope="module")
def bare(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """BentoML's own application: no edge, no protocol, no log format of ours."""
    other = home_beside(home, tmp_path_factory.mktemp("bare"))
    with serve(other, target=PATCHED, extra={"FAULT": "bare,raise"}) as running:
        yield running


@pytest.fixture(scope="module")
def raising(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Ekiben with models that raise what a request asks for."""
    other = home_beside(home, tmp_path_factory.mktemp("raising"))
    extra = {"FAULT": "raise", "EKIBEN_ACCESS_LOG": "1", "EKIBEN_LOG_LEVEL": "debug"}
    with serve(other, target=PATCHED, extra=extra) as running:
        yield running


@pytest.fixture(scope="module")
def loose(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Ekiben with a parser that believes what it is sent."""
    other = home_beside(home, tmp_path_factory.mktemp("loose"))
    with serve(other, target=PATCHED, extra={"FAULT": "loose"}) as running:
        yield running
