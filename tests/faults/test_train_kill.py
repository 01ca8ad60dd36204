"""C-44: `kill -9` of train.py at random moments leaves a store that lists, serves and registers."""

import os
import random
import runpy
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
import pytest

from ekiben.predictor import load_predictor
from ekiben.registry.store import Store
from ekiben.use_cases.catalog import USE_CASES, get_use_case
from tests.forking import forkserver
from tests.servers import PROJECT, environment, serve
from tests.tiny import productions

pytestmark = pytest.mark.server

KILLS = 20
IRIS = get_use_case("iris")


def train(home: Path) -> BaseProcess:
    """Start train.py in a process that has its libraries: no kill is spent on imports."""
    process = forkserver().Process(target=run_train, args=(home,))
    process.start()
    return process


def run_train(home: Path) -> None:
    """Run the program as a shell would; ends the process with its exit code."""
    os.environ.clear()
    os.environ.update(environment(home))
    os.chdir(PROJECT)
    with open(os.devnull, "w") as nothing:
        sys.stdout = sys.stderr = nothing
        sys.argv = ["train.py", IRIS.name, "--promote"]
        runpy.run_path("train.py", run_name="__main__")


def whole_run(home: Path) -> float:
    """Train once, undisturbed, and return the seconds."""
    started = time.monotonic()
    process = train(home)
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - started


def check(home: Path) -> list[str]:
    """Check that all that is listed is whole, and that production can be loaded."""
    store = Store.at(home)
    tags = store.tags()
    for tag in tags:
        store.verify(tag)
    alias = productions(home)[IRIS.name]
    load_predictor(store, IRIS, alias.tag, alias.digest)
    return tags


def bentoml_lists(home: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "models", "list", "--output", "json"],
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    return {
        word.strip('",') for word in done.stdout.split() if word.startswith('"iris:')
    }


def test_training_that_is_killed_at_any_moment_leaves_a_sound_store(
    tmp_path: Path,
) -> None:
    chance = random.Random(44)
    whole_run(tmp_path)  # the first one starts the server of processes
    whole = whole_run(tmp_path)
    killed = 0
    for _ in range(KILLS):
        started = time.monotonic()
        process = train(tmp_path)
        process.join(chance.uniform(0.05, 1.0) * whole)
        took = time.monotonic() - started
        process.kill()
        process.join()
        ended = process.exitcode == 0
        killed += not ended
        # How long a training takes depends on what else the machine does.
        whole = 0.9 * min(took, whole) if ended else 1.03 * whole
        check(tmp_path)

    before = check(tmp_path)
    assert killed >= KILLS // 2
    assert bentoml_lists(tmp_path) == set(before)
    whole_run(tmp_path)
    assert len(check(tmp_path)) == len(before) + 1
    with serve(tmp_path, extra={"EKIBEN_MODELS": "iris"}) as running:
        answer = httpx.post(
            f"{running.url}/v1/iris/predict", json={"rows": USE_CASES[0].examples}
        )
    assert answer.status_code == 200
