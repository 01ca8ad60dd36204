"""C-44: `kill -9` of train.py at random moments leaves a store that lists, serves and registers."""

import random
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from ekiben.predictor import load_predictor
from ekiben.registry.store import Store
from ekiben.use_cases.catalog import USE_CASES, get_use_case
from tests.servers import PROJECT, environment, serve
from tests.tiny import productions

pytestmark = pytest.mark.server

KILLS = 20
IRIS = get_use_case("iris")


def train(home: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "train.py", IRIS.name, "--promote"],
        cwd=PROJECT,
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


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
    started = time.monotonic()
    assert train(tmp_path).wait() == 0
    whole = time.monotonic() - started
    killed = 0
    for _ in range(KILLS):
        process = train(tmp_path)
        try:
            process.wait(chance.uniform(0.3, 1.0) * whole)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
        check(tmp_path)

    before = check(tmp_path)
    assert killed >= KILLS // 2
    assert bentoml_lists(tmp_path) == set(before)
    assert train(tmp_path).wait() == 0
    assert len(check(tmp_path)) == len(before) + 1
    with serve(tmp_path, extra={"EKIBEN_MODELS": "iris"}) as running:
        answer = httpx.post(
            f"{running.url}/v1/iris/predict", json={"rows": USE_CASES[0].examples}
        )
    assert answer.status_code == 200
