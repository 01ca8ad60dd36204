"""Tests that may not run beside others do not."""

import fcntl
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.alone import room
from tests.servers import PROJECT

PYTEST = [sys.executable, "-m", "pytest", "--rootdir", "."]
PARTS = """
import time
from pathlib import Path

LOG = Path({log!r})

def spend(name, seconds):
    with LOG.open("a") as log:
        log.write(f"{{name}} begins\\n")
    time.sleep(seconds)
    with LOG.open("a") as log:
        log.write(f"{{name}} ends\\n")
"""


def is_held(lock: Path) -> bool:
    with lock.open("w") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_who_is_alone_waits_for_those_inside_and_keeps_others_out(
    tmp_path: Path,
) -> None:
    seen: list[str] = []
    inside, may_leave = threading.Event(), threading.Event()

    def enter(name: str, *, alone: bool) -> None:
        with room(tmp_path, alone=alone):
            seen.append(f"{name} begins")
            inside.set()
            may_leave.wait(60)
            time.sleep(0.5)
            seen.append(f"{name} ends")

    first = threading.Thread(target=enter, args=("first",), kwargs={"alone": False})
    alone = threading.Thread(target=enter, args=("alone",), kwargs={"alone": True})
    later = threading.Thread(target=enter, args=("later",), kwargs={"alone": False})
    first.start()
    inside.wait(60)
    alone.start()
    end = time.monotonic() + 60
    while not is_held(tmp_path / "tests.door"):
        assert time.monotonic() < end
        time.sleep(0.01)
    later.start()
    may_leave.set()
    for thread in (first, alone, later):
        thread.join(60)

    assert seen == [
        *("first begins", "first ends"),
        *("alone begins", "alone ends"),
        *("later begins", "later ends"),
    ]


def test_those_who_need_not_be_alone_are_there_together(tmp_path: Path) -> None:
    together = threading.Barrier(2)

    def enter() -> None:
        with room(tmp_path, alone=False):
            together.wait(60)

    threads = [threading.Thread(target=enter) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not together.broken


def test_of_two_workers_one_stands_still_while_the_other_is_alone(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    (tmp_path / "conftest.py").write_text(PARTS.format(log=str(log)))
    for name, mark in (("beside", ""), ("alone", "@pytest.mark.alone")):
        tests = "\n".join(
            f"{mark}\ndef test_{name}_{n}():\n    spend('{name}', 0.2)"
            for n in range(3)
        )
        (tmp_path / f"test_{name}.py").write_text(
            f"import pytest\nfrom conftest import spend\n{tests}\n"
        )
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = alone: by itself\n")

    subprocess.run(
        [*PYTEST, "-p", "tests.alone", "-n", "2", "--dist", "loadfile", tmp_path],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PROJECT)},
        check=True,
        capture_output=True,
    )

    lines = log.read_text().splitlines()
    assert len(lines) == 12
    for number, line in enumerate(lines):
        if line == "alone begins":
            assert lines[number + 1] == "alone ends"
