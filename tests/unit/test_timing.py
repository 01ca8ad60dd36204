import subprocess
import sys
from pathlib import Path

from tests.servers import PROJECT

RUNS = """
from pathlib import Path
from tests.timing import at_most, measures_time

runs = Path({runs!r})

@measures_time
def test_it():
    before = len(runs.read_text())
    runs.write_text("x" * (before + 1))
    {body}
"""


def run(folder: Path, body: str) -> tuple[int, int]:
    """The exit code of pytest, and how often it ran a test with *body*."""
    runs = folder / "runs"
    runs.write_text("")
    (folder / "test_it.py").write_text(RUNS.format(runs=str(runs), body=body))
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "pytest_rerunfailures", "test_it.py"],
        cwd=folder,
        env={"PYTHONPATH": str(PROJECT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
        capture_output=True,
    )
    return ended.returncode, len(runs.read_text())


def test_what_is_always_too_slow_fails(tmp_path: Path) -> None:
    assert run(tmp_path, "at_most(0.1, 0.2)") == (1, 3)


def test_what_was_too_slow_once_passes(tmp_path: Path) -> None:
    assert run(tmp_path, "at_most(0.1, 0.2 - 0.2 * before)") == (0, 2)


def test_a_wrong_answer_stands_at_once(tmp_path: Path) -> None:
    assert run(tmp_path, "assert before == 1") == (1, 1)
