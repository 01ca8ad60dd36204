"""Fixtures that several kinds of tests share."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import PROJECT, Server, environment, serve


@pytest.fixture(scope="session")
def data_settings() -> dict[str, str]:
    """The settings that say which tables to train on: the real ones where they are given."""
    folder = os.environ.get("EKIBEN_DATA_DIR")
    return {"EKIBEN_DATA_DIR": folder} if folder else {"EKIBEN_OFFLINE": "true"}


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the public files; without it a test skips, but never in CI."""
    folder = os.environ.get("EKIBEN_DATA_DIR")
    if folder:
        return Path(folder)
    reason = "EKIBEN_DATA_DIR does not say where the public data files are"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def home(
    tmp_path_factory: pytest.TempPathFactory, data_settings: dict[str, str]
) -> Path:
    """A BENTOML_HOME with a promoted version of every use case, made once per session."""
    path = tmp_path_factory.mktemp("bentoml")
    subprocess.run(
        [sys.executable, "-m", "ekiben", "train", "--promote"],
        cwd=PROJECT,
        env=environment(path, data_settings),
        check=True,
    )
    return path


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[Server]:
    """Ekiben as shipped."""
    with serve(home) as running:
        yield running


@pytest.fixture(scope="session", params=["fast", "bentoml"])
def either_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, home: Path
) -> Iterator[Server]:
    """Ekiben on its fast route, then on BentoML's own path."""
    if request.param == "fast":
        yield request.getfixturevalue("server")
        return
    # A second server on one BENTOML_HOME wipes the metrics of the first.
    other = tmp_path_factory.mktemp("bentoml-path")
    (other / "models").symlink_to(home / "models")
    (other / "ekiben").symlink_to(home / "ekiben")
    with serve(other, extra={"EKIBEN_FAST_ROUTE": "false"}) as running:
        yield running


@pytest.fixture(scope="session")
def client(either_server: Server) -> Iterator[httpx.Client]:
    with either_server.client() as opened:
        yield opened
