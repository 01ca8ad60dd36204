"""Which deaths are forgiven, and which workers count as hung."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ekiben.serving.run_files import READY, ServerFiles
from ekiben.serving.supervisor import MAX_DEATHS, START_SECONDS, Supervisor

PID = 4_000_000
"""No process has it: what is sent to it reaches nobody."""


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    made = Supervisor(ServerFiles.create(tmp_path / "run"), hang_seconds=10.0)
    made.watcher = SimpleNamespace(processes={})
    callbacks: list[Any] = []
    loop = SimpleNamespace(add_callback=callbacks.append)
    made.arbiter = SimpleNamespace(loop=loop, callbacks=callbacks)
    return made


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _: found.append(pid))
    return found


def live_and_die(supervisor: Supervisor, *, began: bool) -> None:
    supervisor.after_spawn(pid=PID)
    if began:
        supervisor.files.beat(PID, READY)
    supervisor.after_reap(process_pid=PID, exit_code=-9)
    supervisor._bury()


def test_a_first_worker_that_cannot_start_ends_the_server(
    supervisor: Supervisor,
) -> None:
    live_and_die(supervisor, began=False)

    assert supervisor.failure == "a worker could not start (exit code -9)"
    with pytest.raises(SystemExit, match="ekiben: a worker could not start"):
        supervisor.after_stop()


def test_a_later_one_may_fail_some_times(supervisor: Supervisor) -> None:
    (supervisor.files.path / "served").touch()

    for _ in range(MAX_DEATHS - 1):
        live_and_die(supervisor, began=False)
    assert supervisor.failure is None

    live_and_die(supervisor, began=False)
    assert supervisor.failure


def test_deaths_are_forgiven_unless_they_are_many(
    supervisor: Supervisor, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(MAX_DEATHS):
        live_and_die(supervisor, began=True)
    assert supervisor.failure is None
    assert not supervisor.files.worker(PID).exists()

    live_and_die(supervisor, began=True)
    assert supervisor.failure == "6 workers died within a minute"
    assert "another takes its place" in capsys.readouterr().err


def test_after_a_calm_stop_nothing_is_said_to_have_failed(
    supervisor: Supervisor,
) -> None:
    supervisor.after_stop()
    assert supervisor.files.path.exists()  # it starts again

    supervisor.asked = 1
    supervisor.after_stop()
    assert not supervisor.files.path.exists()


def test_the_gauges_of_a_dead_worker_are_forgotten_and_its_counters_stay(
    supervisor: Supervisor,
) -> None:
    gauge = supervisor.files.metrics / f"gauge_livesum_{PID}.db"
    counter = supervisor.files.metrics / f"counter_{PID}.db"
    gauge.touch()
    counter.touch()

    live_and_die(supervisor, began=True)

    assert not gauge.exists()
    assert counter.exists()


def test_a_worker_without_a_beat_is_killed(
    supervisor: Supervisor, killed: list[int]
) -> None:
    supervisor.after_spawn(pid=PID)
    supervisor.watcher.processes[PID] = None
    supervisor.files.beat(PID, READY)

    supervisor._kill_hung(100.0, rested=False)
    supervisor._kill_hung(109.0, rested=False)
    assert killed == []

    supervisor._kill_hung(111.0, rested=False)
    assert killed == [PID]


def test_one_that_beats_is_not(supervisor: Supervisor, killed: list[int]) -> None:
    supervisor.after_spawn(pid=PID)
    supervisor.watcher.processes[PID] = None
    for now in (100, 109, 118):
        supervisor.files.beat(PID, READY)
        os.utime(supervisor.files.worker(PID), ns=(0, now))
        supervisor._kill_hung(float(now), rested=False)

    assert killed == []


def test_a_supervisor_that_slept_itself_judges_nobody_by_it(
    supervisor: Supervisor, killed: list[int]
) -> None:
    supervisor.after_spawn(pid=PID)
    supervisor.watcher.processes[PID] = None
    supervisor.files.beat(PID, READY)
    supervisor._kill_hung(100.0, rested=False)

    supervisor._kill_hung(500.0, rested=True)

    assert killed == []


def test_one_that_never_begins_is_killed_after_a_while(
    supervisor: Supervisor, killed: list[int]
) -> None:
    supervisor.after_spawn(pid=PID)
    supervisor.watcher.processes[PID] = None
    spawned = supervisor.workers[PID].spawned

    supervisor._kill_hung(spawned + START_SECONDS - 1, rested=False)
    assert killed == []

    supervisor._kill_hung(spawned + START_SECONDS + 1, rested=False)
    assert killed == [PID]
