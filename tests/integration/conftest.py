"""A ledger on every database that it may be kept in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ekiben.registry.database import LedgerDatabase
from tests.postgres import Postgres, postgres, programs_or_skip


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """Debian's PostgreSQL; without it a test skips, but never in CI."""
    with postgres(programs_or_skip()) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'home' / 'ledger.db'}"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.new_database()


@pytest.fixture
def database(url: str) -> Iterator[LedgerDatabase]:
    with LedgerDatabase.opened(url) as opened:
        yield opened
