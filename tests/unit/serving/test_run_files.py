"""How the processes of a server know of each other."""

import os
from pathlib import Path

import pytest

from ekiben.errors import RunDirectoryUnusable
from ekiben.serving.run_files import (
    READY,
    STANDBY,
    WAITING,
    Facts,
    ServerFiles,
    running_servers,
    started_at,
)


@pytest.fixture
def files(tmp_path: Path) -> ServerFiles:
    return ServerFiles.create(tmp_path / "run")


def facts(**changed: float) -> Facts:
    began = started_at(os.getpid()) or 0.0
    told = {"pid": os.getpid(), "started": began, "port": 3000, "workers": 2} | changed
    return Facts(host="127.0.0.1", **told)  # type: ignore[arg-type]


def test_a_server_is_found_once_it_says_so(files: ServerFiles) -> None:
    assert running_servers(files.path.parent) == []

    files.announce(facts())

    assert running_servers(files.path.parent) == [files]
    assert files.facts == facts()


def test_a_process_id_that_is_used_again_is_no_server(files: ServerFiles) -> None:
    files.announce(facts(started=1.0))

    assert running_servers(files.path.parent) == []


def test_what_a_dead_server_left_is_removed_by_the_next(files: ServerFiles) -> None:
    dead = files.path.parent / "4194999"
    (dead / "metrics").mkdir(parents=True)

    ServerFiles.create(files.path.parent)

    assert not dead.exists()
    assert files.metrics.is_dir()


def test_a_directory_that_others_may_write_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)

    with pytest.raises(RunDirectoryUnusable, match="others may write"):
        ServerFiles.create(shared)


def test_draining_is_a_state_of_the_server_and_can_be_taken_back(
    files: ServerFiles,
) -> None:
    assert files.draining_for is None

    files.drain()
    assert 0 <= (files.draining_for or 0) < 60

    files.undrain()
    assert files.draining_for is None


def test_a_server_is_ready_when_all_its_workers_are(files: ServerFiles) -> None:
    files.announce(facts())
    files.beat(1, READY)
    assert not files.all_ready()

    files.beat(2, WAITING)
    assert not files.all_ready()

    files.beat(2, READY)
    assert files.all_ready()
    assert files.served


def test_a_server_that_has_served_is_ready_without_a_worker_that_died(
    files: ServerFiles,
) -> None:
    files.announce(facts())
    files.beat(1, READY)
    files.beat(2, READY)
    assert files.all_ready()

    files.worker(2).unlink()
    assert files.all_ready()

    files.beat(3, STANDBY)
    assert files.all_ready()

    files.worker(1).unlink()
    assert not files.all_ready()


def test_a_beat_changes_the_time_and_keeps_the_length(files: ServerFiles) -> None:
    files.beat(1, WAITING)
    first = files.worker(1).stat()
    os.utime(files.worker(1), ns=(0, 0))

    files.beat(1, READY)

    assert files.worker(1).stat().st_size == first.st_size
    assert files.worker(1).stat().st_mtime_ns > 0
    assert files.states() == {1: READY}
