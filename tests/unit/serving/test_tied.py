"""What a process that a server starts beside itself does for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCORE = Path("/proc/self/oom_score_adj")
SAID = """
import os
from pathlib import Path
from ekiben.serving.tied import die_first, die_with
die_with({parent})
die_first()
print(Path("/proc/self/oom_score_adj").read_text())
"""


def started(parent: int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", SAID.format(parent=parent)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not SCORE.exists(), reason="this system has no such score")
def test_where_memory_ends_it_goes_and_not_the_server() -> None:
    assert started(os.getpid()).stdout.strip() == "1000"
    assert SCORE.read_text().strip() != "1000"


def test_it_does_not_start_for_one_that_is_gone() -> None:
    assert started(os.getpid() + 1).returncode == 1
