"""Fixtures that tests of several kinds share."""

import os
import time
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from ekiben.datasets import Table, load
from ekiben.training import Trained, fit
from ekiben.use_cases.catalog import get_use_case
from tests.models import Trainings

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
