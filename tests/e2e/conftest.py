"""An engine, an image of a Bento with every use case, and a hardened container of it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from ekiben.errors import ContainerFailed, NoContainerEngine
from ekiben.packaging.bentos import LOCKS, find_bento
from ekiben.packaging.containers import Engine, find_engine
from ekiben.packaging.wheels import fetch_wheels
from tests.e2e.boxes import Box, hardened
from tests.e2e.contents import Contents
from tests.servers import PROJECT, Server, environment

BASE = "python:3.11-slim"
WHEELS = PROJECT / "var" / "wheels"
"""Kept from run to run: a lock file's wheels never change."""
NAME = "localhost/ekiben-e2e-" + hashlib.sha256(bytes(PROJECT)).hexdigest()[:8]
"""One for each working copy, so that two on a machine do not take each other's image."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder, and give it the time that images take."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("e2e")
            item.add_marker(pytest.mark.timeout(1800))


def absent(reason: str) -> NoReturn:
    """Skip, but never in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def engine() -> Engine:
    """What builds and runs containers here, with the base image at hand."""
    try:
        found = find_engine(os.environ.get("EKIBEN_CONTAINER_ENGINE"))
    except NoContainerEngine as error:
        absent(str(error))
    if found.name == "buildah":
        absent("buildah runs no containers")
    try:
        found.digest(BASE)
    except ContainerFailed:
        done = subprocess.run([found.program, "pull", "--quiet", BASE], check=False)
        if done.returncode != 0:
            absent(f"there is no image {BASE}")
    return found


def ekiben(home: Path, *arguments: str) -> Any:
    """Run a command on *home* and return the facts that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "ekiben", *arguments, "--json"],
        cwd=PROJECT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def image_home(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained store, for Bentos."""
    path = tmp_path_factory.mktemp("image-home")
    shutil.copytree(home / "models", path / "models")
    shutil.copytree(home / "ekiben", path / "ekiben")
    WHEELS.mkdir(parents=True, exist_ok=True)
    (path / "ekiben" / "wheels").symlink_to(WHEELS)
    return path


@pytest.fixture(scope="session")
def bento(image_home: Path) -> str:
    """The tag of a Bento with every use case."""
    tag: str = ekiben(image_home, "build")["bento"]
    return tag


@dataclass(frozen=True)
class Builds:
    """Two images of one commit: one made as a user would, the other from nothing."""

    first: str
    second: str
    """Its Bento was built anew, too."""
    seconds: float
    """That the second one took, beside the first."""


@pytest.fixture(scope="session")
def builds(
    engine: Engine,
    image_home: Path,
    bento: str,
) -> Iterator[Builds]:
    """Both at once: a build leaves one of two cores idle for most of its time."""
    names = {one: f"{NAME}:{one}" for one in ("first", "second")}
    again = ekiben(image_home, "build")["bento"]
    # Fetched before: each of two would fetch them into the same place.
    fetch_wheels(
        [find_bento(image_home, "", bento).path / lock for lock in LOCKS], WHEELS
    )

    def build(tag: str, name: str, *given: str) -> Any:
        chosen = ("--tag", name, "--engine", engine.name, *given)
        return ekiben(image_home, "containerize", tag, *chosen)

    try:
        with ThreadPoolExecutor() as both:
            second = both.submit(build, again, names["second"], "--no-cache")
            made = build(bento, names["first"])
        assert made["digest"] == engine.digest(names["first"])
        assert made["offline"], "the build was to reach no network"
        yield Builds(names["first"], names["second"], second.result()["seconds"])
    finally:
        subprocess.run([engine.program, "rmi", "--force", names["second"]], check=False)


@pytest.fixture(scope="session")
def image(builds: Builds) -> str:
    """An image of the Bento, made as a user would."""
    return builds.first


@pytest.fixture(scope="session")
def contents(
    engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Contents:
    """Every file of the image."""
    return Contents.of(engine, image, tmp_path_factory.mktemp("contents"))


@pytest.fixture(scope="session")
def box(
    engine: Engine,
    image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Box]:
    """A hardened container, ready to answer; see C-85."""
    # A thousand requests at once are otherwise too much for a busy machine, as it measures itself.
    patient = {"EKIBEN_QUEUE_MS": "20000"}
    directory = tmp_path_factory.mktemp("box")
    with hardened(engine, image, directory, extra=patient) as running:
        yield running


@pytest.fixture(scope="session")
def either_server(box: Box) -> Server:
    """The container, in place of the server that the contract tests start elsewhere."""
    headers = {"Authorization": f"Bearer {box.new_key('predict', 'feedback', 'read')}"}
    server = Server(box.url, box.forwarder, box.output, headers)
    with server.client() as asking:
        for _ in range(600):
            if asking.get("/v1/models").status_code == 200:
                return server
            time.sleep(0.1)
    raise AssertionError("the key was not taken")


@pytest.fixture(scope="session")
def client(either_server: Server) -> Iterator[httpx.Client]:
    with either_server.client() as opened:
        yield opened
