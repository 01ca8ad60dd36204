"""Counts that a killed worker leaves behind: what they say of rows that died with it."""

import fcntl
import os
from pathlib import Path

import pytest

from ekiben.monitoring.log_counts import LogCounts, lost_rows

URL = "sqlite:////somewhere"
KEY = "019aa41e6f0b7c529d430f2b8c61e"
NAMES = ("iris", "spam")


def dead(counts: LogCounts) -> None:
    """Let go of the file as a process does that is killed: nothing is tidied up."""
    assert counts._lock is not None
    fcntl.flock(counts._lock, fcntl.LOCK_UN)


def found(directory: Path, *, written: bool = False) -> list[dict[str, int]]:
    return list(lost_rows(directory, URL, lambda identity: written and identity == KEY))


@pytest.fixture
def counts(tmp_path: Path) -> LogCounts:
    return LogCounts.in_file(tmp_path, URL, NAMES)


def test_the_counts_of_a_worker_that_lives_are_left_alone(
    counts: LogCounts, tmp_path: Path
) -> None:
    counts.accept("iris", 3)
    assert found(tmp_path) == []
    dead(counts)
    assert found(tmp_path) == [{"iris": 3}]


def test_counts_that_are_taken_for_a_dead_worker_s_before_they_are_locked_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, looks = fcntl.flock, [found, found]

    def flock(descriptor: int, how: int) -> None:
        if how == fcntl.LOCK_EX and looks:
            looks.pop()(tmp_path)
        real(descriptor, how)

    monkeypatch.setattr("ekiben.monitoring.log_counts.fcntl.flock", flock)
    counts = LogCounts.in_file(tmp_path, URL, NAMES)
    monkeypatch.undo()
    counts.accept("iris", 3)
    dead(counts)

    assert looks == []
    assert found(tmp_path) == [{"iris": 3}]


def test_what_a_dead_worker_took_and_did_not_settle_is_lost_once(
    counts: LogCounts, tmp_path: Path
) -> None:
    counts.accept("iris", 5)
    counts.settle("iris", 2)
    counts.accept("spam", 1)
    dead(counts)
    assert found(tmp_path) == [{"iris": 3, "spam": 1}]
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("written", "lost"), [(True, {"iris": 1}), (False, {"iris": 5})]
)
def test_the_log_says_whether_the_last_transaction_was_committed(
    counts: LogCounts, tmp_path: Path, written: bool, lost: dict[str, int]
) -> None:
    counts.accept("iris", 5)
    counts.about_to_write(KEY, {"iris": 4})
    dead(counts)
    assert found(tmp_path, written=written) == [lost]


def test_a_transaction_that_was_settled_is_not_counted_twice(
    counts: LogCounts, tmp_path: Path
) -> None:
    counts.accept("iris", 5)
    counts.about_to_write(KEY, {"iris": 4})
    counts.settle("iris", 4)
    dead(counts)
    assert found(tmp_path, written=True) == [{"iris": 1}]


def test_a_worker_that_settled_all_leaves_nothing(
    counts: LogCounts, tmp_path: Path
) -> None:
    counts.accept("iris", 2)
    counts.settle("iris", 2)
    counts.close()
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_could_not_write_all_leaves_its_counts(
    counts: LogCounts, tmp_path: Path
) -> None:
    counts.accept("iris", 2)
    counts.close()
    assert found(tmp_path) == [{"iris": 2}]


def test_counts_of_another_log_are_not_ours(counts: LogCounts, tmp_path: Path) -> None:
    counts.accept("iris", 2)
    dead(counts)
    assert list(lost_rows(tmp_path, "sqlite:////other", lambda _: False)) == []


@pytest.mark.parametrize("kept", [0, 1, 100, 4096, 4100])
def test_a_file_that_was_cut_while_it_was_made_says_nothing(
    counts: LogCounts, tmp_path: Path, kept: int
) -> None:
    dead(counts)
    (file,) = tmp_path.iterdir()
    os.truncate(file, kept)
    assert found(tmp_path) in ([], [{}])
    assert list(tmp_path.iterdir()) == []
