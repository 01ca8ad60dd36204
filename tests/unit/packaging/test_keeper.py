"""A keeper: what it keeps is started again, adopted after its own death, and ended when told."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ekiben.packaging.kept import Kept, Program

SLEEP = [
    sys.executable,
    "-c",
    "import time; print('here', flush=True); time.sleep(600)",
]
FAMILY = [
    sys.executable,
    "-c",
    "import subprocess, sys, time;"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True);"
    "time.sleep(600)",
]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path / "kept")
    yield made
    made.ask_to_end()
    made.wait_for_end()
    assert made.keeper_pid is None
    assert made.pid is None


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.05)


def start(kept: Kept, command: list[str], stop_seconds: float = 5.0) -> int:
    kept.start(Program(command, stop_seconds=stop_seconds), dict(os.environ))
    until(lambda: kept.pid)
    pid = kept.pid
    assert pid
    return pid


def test_a_program_that_dies_is_started_again(kept: Kept) -> None:
    first = start(kept, SLEEP)
    assert kept.ends == 0

    os.kill(first, signal.SIGKILL)

    until(lambda: kept.pid not in (None, first))
    assert kept.ends == 1


def test_it_ends_when_told_with_all_that_it_started(kept: Kept) -> None:
    start(kept, FAMILY)

    kept.ask_to_end()
    kept.wait_for_end()

    assert (kept.pid, kept.keeper_pid, kept.ends) == (None, None, 0)


def test_what_a_dead_program_left_is_gone_before_it_starts_again(kept: Kept) -> None:
    from ekiben.packaging.keeper import kin

    first = start(kept, FAMILY)
    until(lambda: len(kin(kept.directory)) == 2)
    child = next(one.pid for one in kin(kept.directory) if one.pid != first)

    os.kill(first, signal.SIGKILL)

    until(lambda: kept.ends == 1)
    until(lambda: kept.pid not in (None, first, child))
    assert child not in [one.pid for one in kin(kept.directory)]


def test_one_that_will_not_end_is_killed(kept: Kept) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    start(kept, [sys.executable, "-c", deaf], stop_seconds=0.5)
    until(lambda: kept.last_words)

    kept.ask_to_end()
    kept.wait_for_end()

    assert kept.pid is None


def test_a_keeper_that_is_killed_leaves_its_program_to_the_next(kept: Kept) -> None:
    first, keeper = start(kept, SLEEP), kept.keeper_pid
    assert keeper

    os.kill(keeper, signal.SIGKILL)
    until(lambda: kept.keeper_pid is None)
    assert kept.pid == first
    (kept.directory / "ends").write_text("-9\n")
    assert start(kept, SLEEP) == first
    assert kept.keeper_pid not in (None, keeper)
    assert kept.ends == 0, "what ended under another keeper is history"
    os.kill(first, signal.SIGKILL)

    until(lambda: kept.pid not in (None, first))


def test_a_second_keeper_leaves_the_first_alone(kept: Kept) -> None:
    first, keeper = start(kept, SLEEP), kept.keeper_pid

    assert start(kept, SLEEP) == first
    assert kept.keeper_pid == keeper


def test_a_program_that_cannot_start_is_tried_again_and_says_why(kept: Kept) -> None:
    kept.start(Program(["/nowhere/program"]), dict(os.environ))

    until(lambda: kept.ends >= 2)
    assert "No such file" in kept.last_words


def test_its_environment_is_written_nowhere(kept: Kept) -> None:
    environ = {**os.environ, "EKIBEN_KEY_PEPPER": "a-secret-of-this-test"}

    kept.start(Program(SLEEP), environ)
    until(lambda: kept.last_words)

    written = [path.read_bytes() for path in kept.directory.iterdir()]
    assert not any(b"a-secret-of-this-test" in one for one in written)


def test_a_long_log_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ekiben.packaging import keeper

    (tmp_path / "program.json").write_text("{}")
    (tmp_path / "log").write_text("x" * 100)
    monkeypatch.setattr(keeper, "LOG_BYTES", 99)

    keeper.Keeper(tmp_path).trim_log()

    assert (tmp_path / "log").read_text() == ""
    assert (tmp_path / "log.1").read_text() == "x" * 100
