"""C-61 when the power goes: fail-closed answers only what is on the disk, not only in its cache.

No test can cut the power. What would be lost is what was written to the log and not synced;
strace says of every answer whether there was any of it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.criteria_plugin import Figure
from tests.faults.test_log_kill import is_answer
from tests.servers import PROJECT

ANSWERS = 20
SECONDS = 240.0
"""After which a machine is not busy but stuck."""
CALLS = "pwrite64,write,fsync,fdatasync"
LOG = re.compile(r"^(\d+) +(write|pwrite64|fsync|fdatasync)\((\d+)<([^>]*)>[,)] ?(.*)")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (fsync|fdatasync) resumed>")


@pytest.fixture(scope="module")
def strace() -> str:
    """The program; without it a test skips, but never in CI."""
    found = shutil.which("strace")
    if found:
        return found
    reason = "strace is not installed: apt-get install strace"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def traced(strace: str, home: Path, **settings: object) -> list[str]:
    """Let a process log some answers; return its system calls."""
    told = json.dumps({"home": str(home), "log": "fail-closed", **settings})
    trace = home / "trace"
    command = [strace, "-f", "-y", "-s", "64", "-e", f"trace={CALLS}", "-o", str(trace)]
    process = subprocess.Popen(
        [*command, sys.executable, "-m", "tests.faults.log_child", told],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    stuck = threading.Timer(SECONDS, process.kill)
    stuck.start()
    answers = 0
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            answers += is_answer(line.decode())
            if answers == ANSWERS:
                # It is strace's child that has to end: strace follows.
                os.killpg(process.pid, 9)
    stuck.cancel()
    assert answers >= ANSWERS
    return trace.read_text(errors="replace").splitlines()


def unsynced(calls: list[str]) -> Iterator[bool]:
    """Yield of each answer whether something of the log was written and not synced."""
    waiting, syncing = False, ""
    for call in calls:
        if ended := RESUMED.match(call):
            waiting = waiting and ended[1] != syncing
            continue
        found = LOG.match(call)
        if not found:
            continue
        thread, name, number, file, rest = found.groups()
        if file.endswith("predictions.db-wal"):
            waiting = name.endswith("write") or name == "pwrite64" or waiting
            if name.endswith("sync"):
                syncing = thread
                waiting = "unfinished" in call and waiting
        elif number == "1" and is_answer(rest):
            yield waiting


def test_c61_fail_closed_answers_only_what_is_synced(
    strace: str, tmp_path: Path, figure: Figure
) -> None:
    found = Counter(unsynced(traced(strace, tmp_path)))

    assert found[True] == 0
    assert found[False] >= ANSWERS
    figure("answers, each synced before", found[False])


def test_c61_without_syncing_what_was_answered_would_be_lost(
    strace: str, tmp_path: Path
) -> None:
    """The teeth: committed, but not synced."""
    found = Counter(unsynced(traced(strace, tmp_path, unsynced=True)))

    assert found[True] > ANSWERS / 2
