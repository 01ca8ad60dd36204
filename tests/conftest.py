"""Fixtures that tests of several kinds share."""

import os
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import httpx
import hypothesis
import pytest

from ekiben.datasets import Table, load
from ekiben.training import Trained, fit
from ekiben.use_cases.catalog import get_use_case
from tests import one_tls_context  # noqa: F401  (done by its import)
from tests.alone import (  # noqa: F401  (pytest finds hooks here by name)
    pytest_runtest_protocol,
)
from tests.criteria_plugin import (  # noqa: F401  (pytest finds hooks here by name)
    figure,
    pytest_runtest_logreport,
    pytest_sessionfinish,
)
from tests.haproxy import haproxy as haproxy
from tests.models import Trainings
from tests.servers import PATIENCE, Server, serve
from tests.trained import copy_trained

for phase in ("connect", "read", "write", "pool"):
    # httpx gives up after 5 s where a call says nothing: a busy machine is no failure.
    setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, phase, PATIENCE)

hypothesis.settings.register_profile(
    "ekiben",
    deadline=None,  # a busy machine is no failure
    max_examples=50,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("ekiben")


@pytest.fixture(scope="session")
def data_dir() -> Path | None:
    """The folder of the public files; None: the samples are used."""
    named = os.environ.get("EKIBEN_DATA_DIR")
    return Path(named) if named else None


@pytest.fixture(scope="session")
def real_data(data_dir: Path | None) -> Path:
    """The folder of the public files; without it a test skips, but never in CI."""
    if data_dir:
        return data_dir
    reason = "EKIBEN_DATA_DIR does not say where the public data files are"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def data_settings(data_dir: Path | None) -> dict[str, str]:
    """The settings that say which tables to train on: the real ones where they are given."""
    return (
        {"EKIBEN_DATA_DIR": str(data_dir)} if data_dir else {"EKIBEN_OFFLINE": "true"}
    )


@pytest.fixture(scope="session")
def trainings(
    data_dir: Path | None, tmp_path_factory: pytest.TempPathFactory
) -> Trainings:
    """Every use case, loaded and trained when first asked for, once per session."""
    downloads = tmp_path_factory.mktemp("downloads")

    @cache
    def table(name: str) -> Table:
        dataset = get_use_case(name).dataset
        return load(dataset, data_dir=data_dir, cache=downloads, offline=True)

    @cache
    def trained(name: str) -> Trained:
        return fit(get_use_case(name), table(name), clock=time.perf_counter)

    return Trainings(table, trained)


@pytest.fixture(scope="session")
def home(
    tmp_path_factory: pytest.TempPathFactory, data_settings: dict[str, str]
) -> Path:
    """A BENTOML_HOME of this session with a promoted version of every use case."""
    return copy_trained(tmp_path_factory.mktemp("bentoml"), data_settings)


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[Server]:
    """Ekiben as shipped."""
    with serve(home) as running:
        yield running


@pytest.fixture(scope="session")
def bentoml_path_server(
    tmp_path_factory: pytest.TempPathFactory, home: Path
) -> Iterator[Server]:
    """Ekiben without its fast route: requests go BentoML's own way."""
    other = tmp_path_factory.mktemp("bentoml-path")
    (other / "models").symlink_to(home / "models")
    (other / "ekiben").symlink_to(home / "ekiben")
    with serve(other, extra={"EKIBEN_FAST_ROUTE": "false"}) as running:
        yield running


@pytest.fixture(scope="session", params=["fast", "bentoml"])
def either_server(request: pytest.FixtureRequest) -> Server:
    """Ekiben on its fast route, then on BentoML's own path.

    Each is started once: a worker that is given its tests by file goes to and fro.
    """
    fast = request.param == "fast"
    found: Server = request.getfixturevalue("server" if fast else "bentoml_path_server")
    return found


@pytest.fixture(scope="session")
def client(either_server: Server) -> Iterator[httpx.Client]:
    with either_server.client() as opened:
        yield opened
