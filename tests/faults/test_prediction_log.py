"""The prediction log under load and whatever befalls its file (C-60): nothing lost uncounted."""

import contextlib
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import httpx
import pytest

from tests.criteria_plugin import Figure
from tests.faults.iris_home import until
from tests.faults.log_home import ROWS, TWO_WORKERS, LogHome
from tests.faults.test_home_faults import mount, unmount
from tests.oracle import Verdict, Witness, iris_row, judge, metric, read_log
from tests.servers import PATIENCE, Server, serve
from tests.timing import at_most, measures_time

pytestmark = [pytest.mark.alone, pytest.mark.server, pytest.mark.timeout(300)]

DROPPED = "ekiben_log_dropped_rows_total"
WAITING = "ekiben_log_waiting_rows"
WRITTEN = "ekiben_log_rows_total"
SMALL_QUEUE = {"LOG_QUEUE_ROWS": "1000"}
FLOWERS = {"iris": iris_row}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> LogHome:
    return LogHome.make(tmp_path_factory.mktemp("log-home"))


@pytest.fixture
def home(made: LogHome, tmp_path: Path) -> LogHome:
    return made.copy(tmp_path / "home")


def settled(server: Server, answered: int = 0) -> None:
    """Wait until no answered row waits for the log, and the counts stand still.

    All rows that were *answered* are to be counted by then: counts stand still, too,
    while a disk takes its time, or a worker does.
    """

    def counts() -> list[float]:
        return [metric(server.url, name) for name in (WAITING, WRITTEN, DROPPED)]

    def stand_still() -> bool:
        before = counts()
        time.sleep(0.5)  # they are published ten times a second
        waiting, written, dropped = before
        return before == counts() and waiting == 0 and written + dropped >= answered

    until(stand_still, 30)


def ask(server: Server, rows: int = 1) -> httpx.Response:
    chance = random.Random(time.monotonic_ns())
    body = {"rows": [iris_row(chance) for _ in range(rows)]}
    return httpx.post(f"{server.url}/v1/iris/predict", json=body, timeout=30)


def assert_balanced(server: Server) -> None:
    """Check that every request that was let in was answered or refused (iv)."""

    def balanced() -> bool:
        admitted, answered, refused = (
            metric(server.url, f"ekiben_{name}_requests_total")
            for name in ("admitted", "answered", "refused")
        )
        return admitted == answered + refused and answered > 0

    until(balanced, PATIENCE)


@pytest.mark.parametrize("policy", ["fail-open", "fail-closed"])
@pytest.mark.parametrize(
    "seconds", [4, pytest.param(60, marks=pytest.mark.slow)], ids=lambda s: f"{s}s"
)
def test_c63_every_answer_of_two_workers_and_two_versions_is_logged_once(
    home: LogHome, policy: str, seconds: float, figure: Figure
) -> None:
    extra = home.settings(LOG=policy) | TWO_WORKERS
    with serve(home.path, extra=extra) as server:
        with Witness(lambda: server.url, ROWS) as witness:
            time.sleep(seconds / 2)
            home.iris.promote_unasked(home.iris.second)
            until(lambda: home.iris.second in witness.tags, 60)
            time.sleep(seconds / 2)
        settled(server, witness.rows)
        assert_balanced(server)
        written = metric(server.url, WRITTEN)

    verdict = home.judge(witness.sent)

    check_refusals(witness, policy)
    # Told no while its transaction was under way: a disk may take seconds to sync.
    late = len(verdict.refused) if policy == "fail-closed" else 0
    del verdict.refused[:late]
    assert verdict.sound, verdict
    assert verdict.answered + late == written == len(home.logged()) > 100
    assert len({one.tag for one in home.logged()}) == 3
    figure("rows answered and logged", verdict.answered)


def check_refusals(witness: Witness, policy: str) -> None:
    """Check that all was answered but, of few, what the log was too slow for by its *policy*."""
    refused = [one for one in witness.sent if one.status != 200]
    assert policy == "fail-closed" or not refused, witness.statuses
    assert len(refused) < 0.2 * len(witness.sent)
    for one in refused:
        assert one.status == 503, one
        assert "logged" in one.body["detail"]


def test_c63_bentomls_own_path_and_long_requests_are_logged_too(home: LogHome) -> None:
    extra = home.settings(FAST_ROUTE="false", BATCH_ROWS="300")
    with (
        serve(home.path, extra=extra) as server,
        Witness(lambda: server.url, FLOWERS, clients=2, most_rows=1000) as witness,
    ):
        time.sleep(3)
        witness.__exit__(None, None, None)
        settled(server)

    verdict = home.judge(witness.sent)

    assert verdict.sound, verdict
    assert verdict.answered > 1000
    assert max(one.batch_rows for one in home.logged()) == 300


def test_c67_what_waits_is_in_the_log_of_its_owner_when_a_server_was_stopped(
    home: LogHome,
) -> None:
    extra = home.settings(LOG_FLUSH_MS="10000") | TWO_WORKERS
    with (
        serve(home.path, extra=extra) as server,
        Witness(lambda: server.url, FLOWERS) as witness,
    ):
        # Fewer than a writer waits for: 2,000 rows are written at once.
        until(lambda: len(witness.sent) > 20, 10)
        witness.__exit__(None, None, None)
        assert home.logged() == []

    verdict = home.judge(witness.sent)

    assert verdict.sound, verdict
    assert verdict.answered > 10
    assert list((home.path / "run" / "log").glob("*.counts")) == []
    modes = {one.stat().st_mode & 0o777 for one in home.directory.glob("pred*")}
    assert modes == {0o600}


@contextlib.contextmanager
def small_disk(home: LogHome) -> Iterator[None]:
    """Put the log where there is room for its tables and a few hundred rows."""
    kept = home.path / "kept"
    shutil.move(home.directory, kept)
    home.directory.mkdir()
    mount("-t", "tmpfs", "-o", "size=640k", "none", str(home.directory))
    try:
        shutil.copytree(kept, home.directory, dirs_exist_ok=True)
        yield
    finally:
        kept_log = home.path / "kept-log"
        shutil.copytree(home.directory, kept_log)
        unmount(home.directory)
        shutil.copytree(kept_log, home.directory, dirs_exist_ok=True)


def fill(server: Server, home: LogHome) -> None:
    """Ask until the log cannot be written any more."""
    until(
        lambda: (
            ask(server, 50).status_code != 200
            or metric(server.url, "ekiben_log_unavailable") == 1
        ),
        60,
    )


def give_room(home: LogHome) -> None:
    mount("-o", "remount,size=32m", str(home.directory))


def test_c60_on_a_full_disk_fail_open_answers_and_counts_exactly_what_is_missing(
    home: LogHome, figure: Figure
) -> None:
    with small_disk(home):
        extra = home.settings(**SMALL_QUEUE)
        with serve(home.path, extra=extra) as server:
            witness = Witness(lambda: server.url, FLOWERS, most_rows=60)
            with witness:
                until(lambda: metric(server.url, DROPPED, reason="full") > 0, 90)
                time.sleep(1)
                give_room(home)
                until(lambda: metric(server.url, "ekiben_log_unavailable") == 0, 30)
                time.sleep(1)
            settled(server, witness.rows)
            dropped = metric(server.url, DROPPED, use_case="iris", reason="full")
            assert metric(server.url, DROPPED) == dropped
        verdict = home.judge(witness.sent)

    assert set(witness.statuses) == {200}
    assert len(verdict.missing) == dropped > 0
    verdict.missing.clear()
    assert verdict.sound, verdict
    figure("rows missing, all counted", int(dropped))


def refused_while_full(home: LogHome, extra: dict[str, str]) -> tuple[Witness, Verdict]:
    with small_disk(home):
        with serve(home.path, extra=extra) as server:
            fill(server, home)
            witness = Witness(lambda: server.url, FLOWERS, most_rows=60)
            with witness:
                time.sleep(2)
                until(lambda: witness.statuses[503] > 0, 30)
                give_room(home)
                until(lambda: ask(server).status_code == 200, 30)
                until(lambda: witness.statuses[200] > 0, 30)
                time.sleep(1)
            settled(server)
        records = [
            one
            for one in read_log(home.url, FLOWERS)
            if one.request_id.startswith(f"w{witness.seed}-")
        ]
        return witness, judge(witness.sent, records)


@measures_time
def test_c60_on_a_full_disk_fail_closed_answers_nothing_that_is_not_logged(
    home: LogHome,
) -> None:
    witness, verdict = refused_while_full(home, home.settings(LOG="fail-closed"))

    assert set(witness.statuses) == {200, 503}
    assert verdict.sound, verdict
    refusal = next(one for one in witness.sent if one.status == 503)
    assert refusal.body["code"] == "not_ready"
    assert "logged" in refusal.body["detail"]
    at_most(20, max(one.seconds for one in witness.sent))


def test_c60_without_the_wait_for_the_log_answers_are_lost(home: LogHome) -> None:
    """The teeth: the same policy, but answers do not wait for their records."""
    extra = home.settings(LOG="fail-closed") | {"FAULT": "no-wait"}
    with small_disk(home), serve_patched(home, extra) as server:
        fill(server, home)
        witness = Witness(lambda: server.url, FLOWERS, most_rows=60)
        with witness:
            time.sleep(2)
            until(lambda: witness.statuses[200] > 0, 30)
        verdict = home.judge(witness.sent, offline=False)
        assert len(verdict.missing) > 0


@contextlib.contextmanager
def serve_patched(home: LogHome, extra: dict[str, str]) -> Iterator[Server]:
    with serve(home.path, target="tests.faults.patched:Ekiben", extra=extra) as server:
        yield server


@pytest.mark.slow
def test_c60_a_read_only_log_costs_no_answer_and_is_written_when_it_can_be(
    home: LogHome,
) -> None:
    with serve(home.path, extra=home.settings()) as server:
        assert ask(server).status_code == 200
    before = len(home.logged())
    mount("--bind", str(home.file), str(home.file))
    try:
        mount("-o", "remount,bind,ro", str(home.file))
        with contextlib.ExitStack() as kept:
            server = kept.enter_context(serve(home.path, extra=home.settings()))
            witness = kept.enter_context(Witness(lambda: server.url, FLOWERS))
            until(lambda: metric(server.url, "ekiben_log_unavailable") == 1, 20)
            time.sleep(1)
            unmount(home.file)
            until(lambda: metric(server.url, "ekiben_log_unavailable") == 0, 20)
            witness.__exit__(None, None, None)
            settled(server)
            assert metric(server.url, DROPPED) == 0
    finally:
        subprocess.run(["umount", str(home.file)], capture_output=True, check=False)

    verdict = home.judge(witness.sent)

    assert set(witness.statuses) == {200}
    assert (verdict.missing, verdict.different, verdict.wrong) == ([], [], [])
    assert len(home.logged()) == before + verdict.answered


@contextlib.contextmanager
def locked(home: LogHome) -> Iterator[None]:
    """Hold the log as a writer that does not end."""
    holder = sqlite3.connect(home.file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


@measures_time
def test_c60_while_the_log_is_locked_fail_open_answers_and_loses_nothing(
    home: LogHome,
) -> None:
    with serve(home.path, extra=home.settings()) as server:
        assert ask(server).status_code == 200
        settled(server)
        witness = Witness(lambda: server.url, FLOWERS, seed=1)
        with witness, locked(home):
            until(lambda: metric(server.url, "ekiben_log_unavailable") == 1, 20)
        settled(server, witness.rows)
        assert metric(server.url, DROPPED) == 0

    verdict = home.judge(witness.sent)

    assert set(witness.statuses) == {200}
    assert (verdict.missing, verdict.different) == ([], [])
    # Nobody waits for the lock, which is held for seconds.
    at_most(1, median(one.seconds for one in witness.sent))


@pytest.mark.slow
@measures_time
def test_c60_while_the_log_is_locked_fail_closed_refuses_within_seconds(
    home: LogHome,
) -> None:
    with serve(home.path, extra=home.settings(LOG="fail-closed")) as server:
        assert ask(server).status_code == 200
        with locked(home):
            began = time.monotonic()
            answer = ask(server)
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"] == "1"
            at_most(20, time.monotonic() - began)
        until(lambda: ask(server).status_code == 200, 10)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["deleted", "moved", "deleted with its parts"])
def test_c60_a_log_that_is_moved_or_deleted_is_made_anew_by_both_workers(
    home: LogHome, how: str, tmp_path: Path
) -> None:
    away = tmp_path / "away.db"
    with serve(home.path, extra=home.settings() | TWO_WORKERS) as server:
        witness = Witness(lambda: server.url, FLOWERS)
        with witness:
            for turn in range(3):
                time.sleep(1)
                at = witness.rows
                home.file.rename(away.with_stem(f"away{turn}"))
                if how == "deleted with its parts":
                    for ending in ("-wal", "-shm"):
                        (home.directory / f"predictions.db{ending}").unlink()
                elif how == "deleted":
                    away.with_stem(f"away{turn}").unlink()
                until(lambda at=at: witness.rows > at + 50, 20)  # type: ignore[misc]
            kept = len(witness.sent)
            time.sleep(1.5)
        settled(server)
        assert metric(server.url, DROPPED) == 0

    assert set(witness.statuses) == {200}
    late = home.judge(witness.sent[kept + 10 :])
    assert (late.missing, late.different) == ([], [])
    assert len(home.logged()) > 0
    assert integrity(home.file) == "ok"
    if how == "moved":
        files = [away.with_stem(f"away{turn}") for turn in range(3)]
        assert all(integrity(file) == "ok" for file in files)
        everywhere = {
            one.prediction_id
            for file in (*files, home.file)
            for one in read_log(f"sqlite:///{file}", FLOWERS)
        }
        asked = {one["prediction_id"] for sent in witness.sent for one in sent.answers}
        assert asked <= everywhere


def integrity(file: Path) -> str:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
