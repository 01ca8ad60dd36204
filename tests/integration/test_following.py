"""A running server takes up what the commands move, and what it does when the ledger is away."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from ekiben.registry.database import LedgerDatabase
from ekiben.registry.store import Store
from ekiben.use_cases.catalog import get_use_case
from tests.faults.iris_home import IrisHome
from tests.servers import PATIENCE, PROJECT, Server, environment, serve
from tests.timing import at_most, measures_time
from tests.tiny import promote_in

AT_ONCE = 5.0
"""Seconds from the end of a rollback's command to its effect."""

pytestmark = pytest.mark.server

IRIS = get_use_case("iris")
QUICK = {"EKIBEN_MODELS": "iris", "EKIBEN_PROMOTE_LEAD_MS": "300"}


def ekiben(home: Path, *words: str, cwd: Path = PROJECT) -> dict[str, Any]:
    """Run a command that prints JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "ekiben", *words],
        cwd=cwd,
        env=environment(home, {**QUICK, "PYTHONPATH": str(PROJECT)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if "--json" not in words:
        return {}
    found = json.loads(done.stdout)
    first: dict[str, Any] = found[0] if isinstance(found, list) else found
    return first


def tag_of(server: Server) -> str:
    response = httpx.post(
        f"{server.url}/v1/iris/predict", json={"rows": IRIS.examples[:1]}
    )
    assert response.status_code == 200, response.text
    return response.headers["x-model"]


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait for *condition*, PATIENCE at least, and return the seconds that it took."""
    start = time.monotonic()
    while not condition():
        waited = time.monotonic() - start
        assert waited < max(seconds, PATIENCE), "it did not happen"
        time.sleep(0.02)
    return time.monotonic() - start


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> IrisHome:
    """A home with two versions of iris, the first of them production."""
    home = IrisHome.make(tmp_path_factory.mktemp("following"))
    home.promote_first()
    return home


@pytest.fixture
def two_versions(made: IrisHome) -> tuple[Path, str, str]:
    return made.path, made.first, made.second


@pytest.fixture(scope="module")
def following(made: IrisHome) -> Iterator[Server]:
    with serve(made.path, extra=QUICK) as server:
        yield server


@pytest.fixture
def running(following: Server, made: IrisHome) -> Server:
    """A server of the home, with the first version in production, however a test ended."""
    if tag_of(following) != made.first:
        made.promote_unasked(made.first)
    until(lambda: tag_of(following) == made.first, 30)
    assert "releases_unreachable_since" not in ready(following)
    return following


def ready(server: Server) -> dict[str, Any]:
    response = httpx.get(f"{server.url}/readyz")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


@measures_time
def test_a_server_takes_up_a_promotion_and_a_rollback(
    running: Server, two_versions: tuple[Path, str, str]
) -> None:
    home, first, second = two_versions
    assert tag_of(running) == first

    ekiben(home, "promote", "iris", second)
    until(lambda: tag_of(running) == second, PATIENCE)
    listed = httpx.get(f"{running.url}/v1/models").json()
    ekiben(home, "rollback", "iris")
    took = until(lambda: tag_of(running) == first, PATIENCE)

    assert (listed[0]["production"], listed[0]["previous"]) == (second, first)
    at_most(AT_ONCE, took)


def test_the_last_version_answers_on_while_the_ledger_is_away_and_readyz_says_so(
    running: Server, two_versions: tuple[Path, str, str]
) -> None:
    home, first, _ = two_versions
    database = home / "ekiben" / "ledger.db"
    hidden = home / "ekiben" / "hidden"
    hidden.mkdir()
    for one in home.glob("ekiben/ledger.db*"):
        one.rename(hidden / one.name)
    database.mkdir()  # a file of that name cannot be opened now
    try:
        # The open connection would still see the moved file: a new server has none.
        with serve(home_without_ledger(home), extra=QUICK, ready=False) as other:
            until(
                lambda: (
                    "ledger is unavailable" in httpx.get(other.url + "/readyz").text
                ),
                PATIENCE,
            )
            assert httpx.get(other.url + "/livez").status_code == 200
        assert tag_of(running) == first
        assert httpx.get(running.url + "/readyz").status_code == 200
    finally:
        database.rmdir()
        for one in hidden.iterdir():
            one.rename(home / "ekiben" / one.name)
        hidden.rmdir()


def home_without_ledger(home: Path) -> Path:
    """Return another home on the same store, so that metrics are not mixed."""
    other = home.parent / f"{home.name}-away"
    other.mkdir(exist_ok=True)
    if not (other / "models").exists():
        (other / "models").symlink_to(home / "models")
        (other / "ekiben").symlink_to(home / "ekiben")
    return other


def test_a_version_that_is_damaged_after_its_promotion_is_rejected(
    running: Server,
    made: IrisHome,
    two_versions: tuple[Path, str, str],
    tmp_path: Path,
) -> None:
    home, first, _ = two_versions
    third = IrisHome.make(tmp_path).first
    shutil.copytree(
        tmp_path / "models" / "iris" / third.partition(":")[2],
        home / "models" / "iris" / third.partition(":")[2],
    )
    model = home / "models" / third.replace(":", "/") / "saved_model.pkl"
    sound = model.read_bytes()
    digest = Store.at(home).verify(third).digest
    # First, for the server takes it up at once: after the promotion might be too late.
    model.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    with LedgerDatabase.opened(made.url) as database:
        promote_in(database, third, digest, datetime.now(UTC))

    def rejected() -> bool:
        with LedgerDatabase.opened(made.url) as database:
            return database.verified().events[-1].action == "reject"

    try:
        until(rejected, PATIENCE)
        assert tag_of(running) == first
        assert httpx.get(running.url + "/readyz").status_code == 200
    finally:
        model.write_bytes(sound)
        ekiben(home, "rollback", "iris")


def test_a_pinned_bento_is_rolled_back_on_its_host_without_the_ledger(
    two_versions: tuple[Path, str, str], tmp_path: Path
) -> None:
    home, first, second = two_versions
    own = tmp_path / "home"
    shutil.copytree(home / "models", own / "models")
    shutil.copytree(home / "ekiben", own / "ekiben")
    IrisHome(own, first, second).promote_unasked(second)
    bento = ekiben(own, "build", "--use-case", "iris", "--json")["bento"]
    shutil.rmtree(own / "ekiben")
    source = own / "bentos" / bento.replace(":", "/") / "src"

    with serve(own, target=bento, cwd=tmp_path) as server:
        assert tag_of(server) == second
        ekiben(own, "rollback", "iris", "--local", cwd=source)
        until(lambda: tag_of(server) == first, PATIENCE)
        ekiben(own, "rollback", "iris", "--local", cwd=source)
        until(lambda: tag_of(server) == second, PATIENCE)
