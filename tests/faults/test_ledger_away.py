"""C-54, C-55: predictions do not mind a ledger that is locked, slow, silent, read-only or dead."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from ekiben.errors import LedgerUnavailable
from ekiben.registry.database import WAIT_SECONDS, LedgerDatabase
from tests.criteria_plugin import Figure
from tests.faults.conftest import PATCHED, home_beside
from tests.faults.iris_home import (
    IRIS,
    QUICK,
    IrisHome,
    Traffic,
    cut_off,
    refused,
    tag_of,
    until,
)
from tests.faults.ledger_children import hold, promote
from tests.faults.slow_proxy import SlowProxy
from tests.forking import forkserver
from tests.postgres import Postgres, postgres, programs_or_skip
from tests.servers import Server, serve

pytestmark = [pytest.mark.alone, pytest.mark.server, pytest.mark.timeout(600)]

processes = forkserver()
slow = pytest.mark.slow
BUSY = 15.0
"""Seconds that a busy machine may take beside the wait; unbounded, it is 30 s and more."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> IrisHome:
    return IrisHome.make(tmp_path_factory.mktemp("ledger-away"))


@pytest.fixture(scope="module")
def database_server() -> Iterator[Postgres]:
    with postgres(programs_or_skip()) as server:
        yield server


@pytest.fixture(scope="module")
def network(database_server: Postgres) -> Iterator[SlowProxy]:
    with SlowProxy(database_server.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def home(
    trained: IrisHome,
    database_server: Postgres,
    network: SlowProxy,
    tmp_path_factory: pytest.TempPathFactory,
) -> IrisHome:
    """The versions of *trained*, and orders of its own: another ledger counts otherwise."""
    path = tmp_path_factory.mktemp("ledger-in-postgresql")
    (path / "models").symlink_to(trained.path / "models")
    direct = database_server.new_database()
    url = direct.replace(f":{database_server.port}/", f":{network.port}/")
    made = replace(trained, path=path, extra={"EKIBEN_DATABASE_URL": url})
    made.promote_first()
    return made


@pytest.fixture(scope="module")
def server(home: IrisHome) -> Iterator[Server]:
    with serve(home.path, extra={**QUICK, **home.extra}) as running:
        yield running


END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"
"""Ends every session of a database but the one that asks."""

Fault = Callable[[Postgres, SlowProxy, str], AbstractContextManager[None]]


def past(server: Postgres, url: str) -> sa.Engine:
    """Return a way to the database at *url* beside the network."""
    name = url.rpartition("/")[2]
    direct = server.url(name).replace("postgresql:", "postgresql+psycopg:")
    return sa.create_engine(direct, isolation_level="AUTOCOMMIT")


@contextmanager
def killed(server: Postgres, _: SlowProxy, __: str) -> Iterator[None]:
    server.stop(signal.SIGQUIT)
    try:
        yield
    finally:
        server.start()


@contextmanager
def failed_over(server: Postgres, _: SlowProxy, __: str) -> Iterator[None]:
    server.stop(signal.SIGQUIT)
    try:
        yield
    finally:
        server.move()


@contextmanager
def suspended(server: Postgres, _: SlowProxy, __: str) -> Iterator[None]:
    with server.stopped():
        yield


@contextmanager
def silent(_: Postgres, network: SlowProxy, __: str) -> Iterator[None]:
    network.silent = True
    try:
        yield
    finally:
        network.silent = False


@contextmanager
def read_only(server: Postgres, _: SlowProxy, url: str) -> Iterator[None]:
    """Let every session be a reader's, those that are open too: they are ended."""
    name = url.rpartition("/")[2]
    setting = f"ALTER DATABASE {name} SET default_transaction_read_only ="
    away = past(server, server.url("postgres"))
    with away.connect() as connection:
        connection.execute(sa.text(f"{setting} on"))
        connection.execute(sa.text(END), {"name": name})
        try:
            yield
        finally:
            connection.execute(sa.text(f"{setting} off"))
            connection.execute(sa.text(END), {"name": name})
    away.dispose()


@contextmanager
def locked(server: Postgres, _: SlowProxy, url: str) -> Iterator[None]:
    held = past(server, url).execution_options(isolation_level="READ COMMITTED")
    try:
        with held.begin() as connection:
            connection.execute(sa.text("SELECT * FROM ledger_head FOR UPDATE"))
            yield
    finally:
        held.dispose()


@pytest.mark.parametrize(
    ("fault", "told", "noticed"),
    [
        pytest.param(killed, "unavailable: ", True, id="killed-and-restarted"),
        pytest.param(locked, "timeout", False, id="locked"),
        pytest.param(silent, "timeout", True, id="network-silent", marks=slow),
        pytest.param(suspended, "timeout", True, id="suspended", marks=slow),
        pytest.param(read_only, "read-only", False, id="read-only", marks=slow),
        pytest.param(failed_over, "unavailable: ", True, id="fail-over", marks=slow),
    ],
)
def test_c55_postgresql_away_costs_no_prediction_and_is_used_again(
    home: IrisHome,
    server: Server,
    database_server: Postgres,
    network: SlowProxy,
    fault: Fault,
    told: str,
    noticed: bool,
    figure: Figure,
) -> None:
    before = home.events()
    with LedgerDatabase.opened(home.url) as database, Traffic(server) as traffic:
        with fault(database_server, network, home.url):
            started = time.monotonic()
            with pytest.raises(LedgerUnavailable):
                promote(database, home.second, before)
            waited = time.monotonic() - started
            refused(home.run("promote", "iris", home.second), told)
            if noticed:
                until(lambda: cut_off(server), 20)
            assert tag_of(server) == home.first
        until(lambda: not cut_off(server), 20)
        assert home.events() == before
        home.promote_unasked(home.second)
        until(lambda: tag_of(server) == home.second, 60)
        home.promote_unasked(home.first)
        until(lambda: tag_of(server) == home.first, 60)

    assert waited < WAIT_SECONDS + BUSY
    traffic.note(figure)
    figure("promote refused after, s", waited)


def test_c55_without_a_version_in_memory_predictions_need_the_ledger(
    home: IrisHome, database_server: Postgres, network: SlowProxy, tmp_path: Path
) -> None:
    other = home_beside(home.path, tmp_path)
    extra = {**QUICK, **home.extra, "FAULT": "no-memory"}
    with serve(other, target=PATCHED, extra=extra) as forgetful:
        assert tag_of(forgetful) == home.first
        with killed(database_server, network, home.url):
            answer = httpx.post(
                f"{forgetful.url}/v1/iris/predict", json={"rows": IRIS.examples[:1]}
            )

    assert answer.status_code >= 500


def test_c55_without_the_limits_a_promotion_waits_for_the_lock_for_ever(
    home: IrisHome,
    database_server: Postgres,
    network: SlowProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ekiben.registry.engines.SERVER_SHARE", 1000)
    monkeypatch.setattr("ekiben.registry.postgres.limited", nullcontext)
    before = home.events()
    with LedgerDatabase.opened(home.url) as database, ThreadPoolExecutor() as apart:
        seen = database.ledger().last("iris")
        with locked(database_server, network, home.url):
            waiting = apart.submit(promote, database, "iris:never", seen)
            with pytest.raises(TimeoutError):
                waiting.result(2 * WAIT_SECONDS)
            # It must not become production of the tests that follow.
            with past(database_server, home.url).connect() as connection:
                name = {"name": home.url.rpartition("/")[2]}
                connection.execute(sa.text(f"{END} AND wait_event_type = 'Lock'"), name)
        with pytest.raises(LedgerUnavailable):
            waiting.result(60)

    assert home.events() == before


def test_c55_postgresql_that_takes_a_second_for_each_answer(
    home: IrisHome, server: Server, network: SlowProxy, figure: Figure
) -> None:
    with LedgerDatabase.opened(home.url) as database, Traffic(server) as traffic:
        before = database.ledger().last("iris")
        network.delay = 0.5  # there, and back
        try:
            started = time.monotonic()
            with pytest.raises(LedgerUnavailable, match="does not answer"):
                promote(database, home.second, before)
            waited = time.monotonic() - started
            time.sleep(3)
        finally:
            network.delay = 0.0
        until(lambda: not cut_off(server), 20)

    assert waited < WAIT_SECONDS + BUSY
    with LedgerDatabase.opened(home.url) as database:
        assert database.verified().last("iris") == before
    traffic.note(figure)


def test_c54_a_rollback_without_postgresql_is_in_the_ledger_once_it_is_back(
    home: IrisHome,
    server: Server,
    database_server: Postgres,
    network: SlowProxy,
    figure: Figure,
) -> None:
    home.promote_unasked(home.second)
    until(lambda: tag_of(server) == home.second, 60)
    before = home.events()

    with Traffic(server) as traffic:
        with killed(database_server, network, home.url):
            until(lambda: cut_off(server), 60)
            refused(home.run("rollback", "iris"), "unavailable: ")
            assert tag_of(server) == home.second
            ordered = home.run("rollback", "iris", "--local", "--reason", "odd answers")
            assert ordered.returncode == 0, ordered.stderr
            took = until(lambda: tag_of(server) == home.first, 60)
        until(lambda: home.events() == before + 1, 60)
        until(lambda: not cut_off(server), 60)
        home.promote_unasked(home.second)
        until(lambda: tag_of(server) == home.second, 60)
        home.promote_unasked(home.first)
        until(lambda: tag_of(server) == home.first, 60)

    told_once(home, before)
    traffic.note(figure)
    figure("back after the command, s", took)


def told_once(home: IrisHome, before: int) -> None:
    """Check that the event after *before* tells of the order, and no later one does."""
    with LedgerDatabase.opened(home.url) as database:
        event, *later = database.verified().events[before:]
    assert (event.action, event.from_tag) == ("rollback", home.second)
    assert event.to_tag == home.first
    assert event.actor.startswith("server ")
    assert event.reason.startswith("local rollback by ")
    assert event.reason.endswith(": odd answers")
    assert [one.action for one in later] == ["promote"] * len(later)


@pytest.fixture
def sqlite_server(trained: IrisHome) -> Iterator[Server]:
    trained.promote_first()
    with serve(trained.path, extra=QUICK) as running:
        yield running


@contextmanager
def writing(path: Path, seconds: float) -> Iterator[None]:
    """Let another process hold the writer's lock for *seconds*; a long one, as long as
    the block takes at least.
    """
    here, there = processes.Pipe()
    child = processes.Process(target=hold, args=(str(path), there))
    child.start()
    here.recv()
    timer = threading.Timer(seconds, here.send, ["let go"])
    if seconds < WAIT_SECONDS:
        timer.start()
    started = time.monotonic()
    try:
        yield
    finally:
        if seconds < WAIT_SECONDS:
            timer.join()
        else:
            time.sleep(max(0.0, started + seconds - time.monotonic()))
            here.send("let go")
        child.join()


@pytest.mark.parametrize(
    "seconds", [pytest.param(1.0, id="1-s"), pytest.param(30.0, id="30-s", marks=slow)]
)
def test_c55_sqlite_locked_by_another_writer(
    trained: IrisHome, sqlite_server: Server, seconds: float, figure: Figure
) -> None:
    file = trained.path / "ekiben" / "ledger.db"
    with (
        LedgerDatabase.opened(trained.url) as database,
        Traffic(sqlite_server) as traffic,
    ):
        before = database.ledger().last("iris")
        with writing(file, seconds):
            if seconds < WAIT_SECONDS:
                trained.promote_unasked(trained.second)
            else:
                with pytest.raises(LedgerUnavailable, match="locked"):
                    promote(database, trained.second, before)
                refused(trained.run("promote", "iris", trained.second), "locked")
            assert not cut_off(sqlite_server)
        if seconds > WAIT_SECONDS:
            assert database.verified().last("iris") == before
            trained.promote_unasked(trained.second)
        until(lambda: tag_of(sqlite_server) == trained.second, 60)

    traffic.note(figure)


@pytest.mark.slow
def test_c54_a_rollback_while_sqlite_is_locked_is_in_the_ledger_afterwards(
    trained: IrisHome, sqlite_server: Server
) -> None:
    trained.promote_unasked(trained.second)
    until(lambda: tag_of(sqlite_server) == trained.second, 60)
    before = trained.events()

    with Traffic(sqlite_server):
        with writing(trained.path / "ekiben" / "ledger.db", WAIT_SECONDS + BUSY):
            refused(trained.run("rollback", "iris"), "locked")
            order = ("rollback", "iris", "--local", "--reason", "odd answers")
            assert trained.run(*order).returncode == 0
            until(lambda: tag_of(sqlite_server) == trained.first, 60)
        until(lambda: trained.events() == before + 1, 60)

    told_once(trained, before)
    assert tag_of(sqlite_server) == trained.first
