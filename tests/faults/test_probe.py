"""C-42: an artefact that crashes, hangs, eats memory or forks kills only its probe."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sklearn.tree import DecisionTreeClassifier

from ekiben.datasets import load
from ekiben.registry.store import Store
from ekiben.serving.probe import NICE, Limits, probe
from ekiben.serving.roster import Choice
from ekiben.training import train
from ekiben.use_cases.catalog import get_use_case
from tests.servers import PROJECT, environment

pytestmark = pytest.mark.server

IRIS = get_use_case("iris")
LIMITS = Limits(seconds=20, bytes=6 * 2**30)


class Trap:
    """What a pickle does when it is loaded: whatever *code* says."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> Any:
        return exec, (self.code,)


class Trapped(DecisionTreeClassifier):  # type: ignore[misc]
    """A tree whose pickle springs a trap."""

    def __init__(self, code: str = "") -> None:
        super().__init__()
        self.code = code

    def __reduce__(self) -> Any:
        return Trap(self.code).__reduce__()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path)


def register(store: Store, code: str) -> Choice:
    """Register a version whose digests are right and whose pickle runs *code*."""
    sound = train(
        IRIS,
        load(IRIS.dataset, cache=store.staging),
        store,
        now=lambda: datetime.now(UTC),
        clock=time.perf_counter,
    )
    manifest = store.register(
        "iris",
        Trapped(code),
        make_card=lambda tag: sound.card.model_copy(
            update={"tag": tag, "compiled": None}
        ),
        golden=sound.golden,
    )
    return Choice(manifest.card.tag, manifest.digest)


def test_a_sound_version_passes(store: Store) -> None:
    sound = train(
        IRIS,
        load(IRIS.dataset, cache=store.staging),
        store,
        now=lambda: datetime.now(UTC),
        clock=time.perf_counter,
    )

    assert probe("iris", Choice(sound.card.tag, sound.digest), store, LIMITS) is None


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param("import os; os.kill(os.getpid(), 11)", "SIGSEGV", id="segfault"),
        pytest.param("import os; os._exit(3)", "exit code 3", id="exits"),
        pytest.param("x = bytearray(10**10)", "refused", id="10-gigabytes"),
        pytest.param("raise RuntimeError('secret')", "refused", id="raises"),
    ],
)
def test_a_version_that_breaks_its_loader_is_told_why(
    store: Store, code: str, said: str
) -> None:
    choice = register(store, code)

    reason = probe("iris", choice, store, LIMITS)

    assert reason is not None
    assert said in reason


def test_requests_go_before_a_version_that_is_tried(
    store: Store, tmp_path: Path
) -> None:
    """Of another session Linux would give it half of a processor, however nice it is."""
    note = tmp_path / "note"
    words = "f'{os.getsid(0)} {os.nice(0)}'"
    choice = register(store, f"import os; open({str(note)!r}, 'w').write({words})")

    probe("iris", choice, store, LIMITS)

    session, nice = map(int, note.read_text().split())
    assert session == os.getsid(0)
    assert nice == os.nice(0) + NICE


def test_a_version_that_hangs_is_killed_with_all_it_started(
    store: Store, tmp_path: Path
) -> None:
    note = tmp_path / "pids"
    choice = register(
        store,
        "import os, time\n"
        "child = os.fork()\n"
        f"open({str(note)!r}, 'a').write(f'{{os.getpid()}} ')\n"
        "time.sleep(600)",
    )
    started = time.monotonic()

    reason = probe("iris", choice, store, Limits(seconds=8, bytes=6 * 2**30))

    assert reason == "it did not load within 8 s"
    # It would sleep for 600 s; a busy machine may take longer than 8 s to get that far.
    assert time.monotonic() - started < 60
    pids = [int(one) for one in note.read_text().split()]
    assert len(pids) == 2
    for pid in pids:
        assert not alive(pid)


def test_a_version_that_waits_for_a_busy_machine_is_given_time(store: Store) -> None:
    """One that computes for an eighth of the time, as where seven others do."""
    code = (
        "import time\n"
        "end = time.monotonic() + 15\n"
        "while time.monotonic() < end:\n"
        "    until = time.thread_time() + 0.02\n"
        "    while time.thread_time() < until: pass\n"
        "    time.sleep(0.15)\n"
        "raise RuntimeError"
    )
    choice = register(store, code)

    # A sixth of it, in which it has to compute, is longer than a machine stands still.
    reason = probe("iris", choice, store, Limits(seconds=12, bytes=6 * 2**30))

    assert reason is not None
    assert "refused" in reason


def alive(pid: int) -> bool:
    """Whether a process runs; a dead one that nobody has waited for does not."""
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return False
        if state == "Z":
            return False
        time.sleep(0.1)
    return os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param("import os; os.kill(os.getpid(), 11)", "SIGSEGV", id="segfault"),
        pytest.param("import time; time.sleep(600)", "within 8 s", id="hangs"),
        pytest.param("x = bytearray(10**10)", "MemoryError", id="10-gigabytes"),
    ],
)
def test_such_a_version_is_not_promoted_and_the_loading_gate_says_why(
    store: Store, tmp_path: Path, code: str, said: str
) -> None:
    choice = register(store, code)

    done = subprocess.run(
        [sys.executable, "-m", "ekiben", "promote", "iris", choice.tag],
        cwd=PROJECT,
        env=environment(tmp_path, {"EKIBEN_PROBE_SECONDS": "8"}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "loading" in done.stderr
    assert said in done.stderr
