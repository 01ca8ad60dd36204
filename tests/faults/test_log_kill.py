"""C-61: kill -9 at random loses at most the flush window of the log, torn never, counted always."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from ekiben.monitoring.log_counts import mark_of
from ekiben.serving.run_files import run_directory
from ekiben.serving.worker import LOG_DIRECTORY
from tests.criteria_plugin import Figure
from tests.faults.iris_home import until
from tests.faults.lives import kill_all, ready_workers
from tests.faults.log_home import TWO_WORKERS, LogHome, one_row
from tests.faults.test_prediction_log import FLOWERS, integrity, settled
from tests.oracle import Witness, metric, read_log
from tests.servers import PROJECT, Server, serve, stop

pytestmark = [pytest.mark.alone, pytest.mark.timeout(3000)]

WINDOW_SECONDS = 0.2
SLACK_SECONDS = 3.0
"""What a tick, a transaction and a busy machine add to the window."""
LONG_SECONDS = 5.0
"""A life in which a writer that kept no window would lose more than window and slack."""
TWO = {"rows": [one_row(), one_row()]}
KILLS = [5, pytest.param(100, marks=pytest.mark.slow)]


def life(
    home: Path, seconds: float, *, last: bool = False, **settings: Any
) -> list[str]:
    """Let a process log until it is killed after *seconds* of work; return its lines.

    The *last* one goes on until it has counted what died with the others.
    """

    def kill() -> None:
        try:
            if last:
                until(lambda: len([*(home / "counts").glob("*.counts")]) <= 1, 60)
        finally:
            process.kill()

    told = {"home": str(home), "log_flush_ms": 1000 * WINDOW_SECONDS, **settings}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.log_child", json.dumps(told)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
    )
    lines: list[str] = []
    timer = threading.Timer(seconds, kill)
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            lines.append(line.decode())
            if timer.ident is None and is_answer(lines[-1]):
                timer.start()
    timer.cancel()
    return lines


def is_answer(line: str) -> bool:
    return line.count("-") >= 4


def lost_of(lines: list[str]) -> int:
    return sum(int(one.split()[1]) for one in lines if one.startswith("lost"))


def ids_of(lines: list[str]) -> list[str]:
    return [i for one in lines if is_answer(one) for i in one.split()]


def lives(home: Path, kills: int, **settings: Any) -> tuple[list[list[str]], int]:
    """Kill so many processes one after the other; return what each said and the lost in all.

    One more is started at the end, to count what died with the last one.
    """
    chance = random.Random(kills)
    seconds = [chance.uniform(0.05, 0.9) for _ in range(kills)]
    seconds[::20] = [LONG_SECONDS] * len(seconds[::20])
    said = [life(home, one, **settings) for one in seconds]
    last = life(home, 1.0, last=True, **settings)
    return said, sum(lost_of(one) for one in [*said, last])


def logged_ids(home: Path) -> set[str]:
    file = home / "ekiben" / "predictions.db"
    assert integrity(file) == "ok"
    return {one.prediction_id for one in read_log(f"sqlite:///{file}", FLOWERS)}


@pytest.mark.parametrize("kills", KILLS)
def test_c61_killed_writers_lose_no_more_than_their_window_and_all_is_counted(
    tmp_path: Path, kills: int, figure: Figure
) -> None:
    said, counted = lives(tmp_path, kills)

    held = logged_ids(tmp_path)
    missing = [[one for one in ids_of(lines) if one not in held] for lines in said]
    total = sum(len(one) for one in missing)
    # A request that was let in when the kill came was counted and not answered.
    assert total <= counted <= total + 5 * kills
    assert total > 0
    for lines, gone in zip(said, missing, strict=True):
        answered = ids_of(lines)
        # What is lost is the end of what was answered, never a hole in it.
        assert gone == answered[len(answered) - len(gone) :]
        assert span(gone) <= WINDOW_SECONDS + SLACK_SECONDS
    figure("answered rows", sum(len(ids_of(lines)) for lines in said))
    figure("rows lost", total)
    figure("rows counted as lost", counted)
    figure("longest window lost, ms", round(1000 * max(map(span, missing))))


def span(ids: list[str]) -> float:
    """Return the seconds between the first and the last of these ids, which hold their times."""
    if not ids:
        return 0.0
    first, last = (int(one.replace("-", "")[:12], 16) for one in (ids[0], ids[-1]))
    return (last - first) / 1000


@pytest.mark.parametrize("kills", KILLS)
def test_c61_fail_closed_loses_nothing_and_waiting_is_what_does_it(
    tmp_path: Path, kills: int
) -> None:
    """Its teeth are the test above: the same, but answers do not wait for their records."""
    said, counted = lives(tmp_path, kills, log="fail-closed")

    held = logged_ids(tmp_path)
    answered = [one for lines in said for one in ids_of(lines)]
    assert [one for one in answered if one not in held] == []
    assert len(answered) > 2 * kills
    assert counted == 0


def test_c61_without_counts_that_outlive_a_process_the_loss_goes_uncounted(
    tmp_path: Path,
) -> None:
    """The teeth of the count: the directory for it cannot be made."""
    (tmp_path / "counts").write_text("in the way")

    said, counted = lives(tmp_path, 3)

    held = logged_ids(tmp_path)
    assert [i for lines in said for i in ids_of(lines) if i not in held]
    assert counted == 0


def counted_so_far(server: Server, home: LogHome) -> float:
    """Return the rows that are counted as lost, when those of every dead worker are.

    A worker looks for the counts of dead ones beside its first requests, and publishes
    ten times a second: what it has found and not published dies with the server.
    """
    place = run_directory(None) / LOG_DIRECTORY
    files = f"{mark_of(home.url)}*.counts"
    until(lambda: len(list(place.glob(files))) <= len(living_workers(server)), 30)
    time.sleep(0.3)
    return metric(server.url, "ekiben_log_dropped_rows_total")


def kill_one(server: Server, chance: random.Random) -> None:
    until(lambda: len(ready_workers(server) & living_workers(server)) == 2, 60)
    time.sleep(chance.uniform(0.1, 1.0))
    victim = chance.choice(sorted(ready_workers(server) & living_workers(server)))
    os.kill(victim, signal.SIGKILL)
    # Its end takes a moment: until then it would count as one of two.
    until(lambda: victim not in living_workers(server), 30)


def living_workers(server: Server) -> set[int]:
    """Return the workers without those that nobody knows to be dead yet."""
    found = set()
    for one in server.workers():
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(one).status() != psutil.STATUS_ZOMBIE:
                found.add(one)
    return found


@pytest.mark.server
@pytest.mark.parametrize(
    ("rounds", "policy"),
    [
        pytest.param(1, "fail-open", id="open"),
        pytest.param(1, "fail-closed", id="closed", marks=pytest.mark.slow),
        pytest.param(20, "fail-open", id="open-100-kills", marks=pytest.mark.slow),
        pytest.param(20, "fail-closed", id="closed-100-kills", marks=pytest.mark.slow),
    ],
)
def test_c61_a_server_whose_workers_and_all_are_killed_counts_what_it_lost(
    tmp_path_factory: pytest.TempPathFactory, rounds: int, policy: str, figure: Figure
) -> None:
    """Five kills a round: workers one by one, then all of the server at once."""
    home = LogHome.make(tmp_path_factory.mktemp("killed"))
    extra = home.settings(LOG=policy) | TWO_WORKERS
    extra.pop("EKIBEN_RUN_DIR")
    chance, url, counted = random.Random(rounds), "", 0.0
    workers = 2 if rounds == 1 else 4
    witness = Witness(lambda: url, FLOWERS)
    for _ in range(rounds):
        with serve(home.path, extra=extra) as server:
            url = server.url
            with witness:
                for _ in range(workers):
                    kill_one(server, chance)
                until(lambda: len(ready_workers(server)) == 2, 60)
                time.sleep(chance.uniform(0.1, 1.0))
                counted += counted_so_far(server, home)
                kill_all(server)
    with serve(home.path, extra=extra) as server:
        settled(server)
        counted += counted_so_far(server, home)
        stop(server.process)

    verdict = home.judge(witness.sent)
    if policy == "fail-closed":
        # Told no while its transaction was under way: a disk may take seconds to sync.
        assert set(witness.statuses) <= {0, 200, 503}
        verdict.refused.clear()
    assert integrity(home.file) == "ok"
    missing = len(verdict.missing)
    # Rows of requests that were cut off are counted too: nobody was told an answer.
    cut = sum(len(one.rows) for one in witness.sent if one.status == 0)
    assert missing <= counted <= missing + cut
    assert (missing > 0) == (policy == "fail-open")
    verdict.missing.clear()
    assert verdict.sound, verdict
    figure("answered rows", verdict.answered)
    figure("rows lost", missing)
    figure("rows counted as lost", int(counted))


@pytest.mark.server
def test_c61_a_worker_that_lost_its_server_leaves_the_count_to_the_next(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """It would count what a dead one lost where nobody reads it."""
    home = LogHome.make(tmp_path_factory.mktemp("orphan"))
    extra = home.settings(LOG_FLUSH_MS="10000")
    extra.pop("EKIBEN_RUN_DIR")
    with serve(home.path, extra=extra) as server:
        (victim,) = server.workers()
        assert httpx.post(f"{server.url}/v1/iris/predict", json=TWO).status_code == 200
        os.kill(victim, signal.SIGKILL)
        until(lambda: bool({*server.workers()} - {victim}), 30)
        (orphan,) = {*server.workers()} - {victim}
        server.process.kill()
        server.process.wait()
        until(lambda: not psutil.pid_exists(orphan), 30)

    with serve(home.path, extra=extra) as server:
        assert counted_so_far(server, home) == 2
