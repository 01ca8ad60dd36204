"""A server of compiled versions imports no scikit-learn, SciPy or pandas and unpickles nothing.

Every process that the server starts is watched by an audit hook from its first line on.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ekiben.compiled.artefact import Artefact, pack, unpack
from ekiben.compiled.tree import ARRAYS, compile_tree
from ekiben.datasets import load
from ekiben.predictor import same
from ekiben.registry.manifest import Manifest
from ekiben.registry.store import Store
from ekiben.training import train
from ekiben.use_cases.catalog import USE_CASES, get_use_case
from ekiben.use_cases.use_case import UseCase
from tests.servers import Server, serve
from tests.tiny import productions, promote

pytestmark = pytest.mark.server

IRIS = get_use_case("iris")
HEAVY = ("sklearn", "scipy", "pandas", "joblib", "lightgbm", "pandera", "pyarrow")
WATCH = f"""
import os, sys

def note(what):
    with open(os.environ["WATCH_NOTES"], "a") as file:
        file.write(f"{{os.getpid()}} {{what}}\\n")

def watch(event, given):
    if event == "import" and given[0].partition(".")[0] in {HEAVY!r}:
        note("imports " + given[0])
    elif event == "pickle.find_class":
        note(f"unpickles {{given[0]}}.{{given[1]}}")

note("begins")
sys.addaudithook(watch)
"""


@dataclass(frozen=True)
class Watched:
    """A server, and what its processes have done."""

    server: Server
    notes: Path

    def began(self) -> set[int]:
        """Return the ids of the processes that the hook saw begin."""
        lines = self.notes.read_text().splitlines()
        return {int(one.split()[0]) for one in lines if one.endswith(" begins")}

    def did(self) -> set[str]:
        """Return which imports and unpickled classes were seen, in any process."""
        lines = self.notes.read_text().splitlines()
        return {one.partition(" ")[2] for one in lines} - {"begins"}

    def mapped(self) -> set[str]:
        """Return which heavy libraries have code in the workers' memory."""
        maps = [Path(f"/proc/{one}/maps").read_text() for one in self.server.workers()]
        return {name for name in HEAVY for one in maps if f"/{name}/" in one}

    def megabytes(self) -> float:
        """Return the proportional memory of the largest worker."""
        found = [
            Path(f"/proc/{one}/smaps_rollup").read_text().partition("Pss:")[2]
            for one in self.server.workers()
        ]
        return max(int(one.split()[0]) for one in found) / 1024

    def ask(self, use_case: UseCase, rows: list[dict[str, Any]]) -> list[Any]:
        path = f"/v1/{use_case.name}/predict"
        answer = httpx.post(self.server.url + path, json={"rows": rows}, timeout=30)
        assert answer.status_code == 200, answer.text
        predictions: list[Any] = answer.json()
        return predictions


@contextmanager
def watched(home: Path, **extra: str) -> Iterator[Watched]:
    """Serve *home* with the hook in every process."""
    (home / "hook").mkdir()
    (home / "hook" / "sitecustomize.py").write_text(WATCH)
    notes = home / "notes"
    extra |= {"PYTHONPATH": str(home / "hook"), "WATCH_NOTES": str(notes)}
    with serve(home, extra=extra) as server:
        yield Watched(server, notes)


@pytest.fixture
def own_home(home: Path, tmp_path: Path) -> Path:
    """A copy of the trained store, so that no two servers share a home."""
    shutil.copytree(home / "models", tmp_path / "models")
    shutil.copytree(home / "ekiben", tmp_path / "ekiben")
    return tmp_path


def off(pipeline: Any) -> Artefact:
    """Compile *pipeline* wrongly: its thresholds a little higher."""
    right = compile_tree(pipeline)
    arrays = unpack(right.files[ARRAYS])
    arrays["threshold"] = arrays["threshold"] + 0.05
    return replace(right, files={ARRAYS: pack(arrays)})


def trained(home: Path, use_case: UseCase) -> Manifest:
    manifest = train(
        use_case,
        load(IRIS.dataset, cache=home, offline=True),
        Store.at(home),
        now=lambda: datetime.now(UTC),
        clock=time.perf_counter,
    )
    promote(home, manifest, datetime.now(UTC))
    return manifest


def test_a_server_whose_use_cases_all_passed_needs_no_training_library(
    own_home: Path,
) -> None:
    store = Store.at(own_home)
    # A machine that others use, too, may need longer than the usual half minute to try.
    with watched(own_home, EKIBEN_PROBE_SECONDS="120") as seen:
        for use_case in USE_CASES:
            manifest = store.manifest(productions(own_home)[use_case.name].tag)
            compiled = manifest.card.compiled
            assert compiled is not None
            assert compiled.serves == "compiled", compiled
            answers = seen.ask(use_case, [one.row for one in manifest.golden])
            for one, answer in zip(manifest.golden, answers, strict=True):
                stated = {name: answer[name] for name in one.prediction}
                assert same(one.prediction, stated)
            seen.ask(use_case, use_case.examples[:1] * 1000)
            seen.ask(use_case, use_case.examples[:1])
        for path in ("/metrics", "/readyz", "/v1/models", "/openapi.json", "/docs"):
            assert httpx.get(seen.server.url + path).status_code == 200, path
        # Later versions are loaded by a probe and by the follower: they are watched, too.
        later = trained(own_home, IRIS).card.tag
        until_answered_by(seen, later)

        assert set(seen.server.workers()) <= seen.began()
        assert len(seen.began()) > 1 + len(seen.server.workers()), "no probe was seen"
        assert seen.did() == set()
        assert seen.mapped() == {"lightgbm"}, "its C library, and no other"
        assert seen.megabytes() < 150


def test_where_parity_failed_the_estimator_is_unpickled_and_answers_rightly(
    tmp_path: Path,
) -> None:
    failed = trained(tmp_path, replace(IRIS, compile=off))
    assert failed.card.compiled is not None
    assert failed.card.compiled.serves == "native"
    estimator = Store.at(tmp_path).load(failed.card.tag).estimator
    rows = [one.row for one in failed.golden]
    checked = [IRIS.row.model_validate(row) for row in rows]
    expected = estimator.predict_proba(IRIS.encoding.from_rows(checked))
    with watched(tmp_path, EKIBEN_MODELS="iris") as seen:
        answers = seen.ask(IRIS, rows)

        # The hook sees what it is to see: else the test above could not fail.
        assert any(one.startswith("unpickles sklearn.") for one in seen.did())
        assert "imports sklearn" in seen.did()
        assert "sklearn" in seen.mapped()
    order = [list(estimator.classes_).index(name) for name in IRIS.classes]
    stated = [[one["probabilities"][name] for name in IRIS.classes] for one in answers]
    assert np.array_equal(stated, expected[:, order])


def until_answered_by(seen: Watched, tag: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        answer = httpx.post(
            f"{seen.server.url}/v1/iris/predict", json={"rows": IRIS.examples[:1]}
        )
        if answer.headers.get("x-model") == tag:
            return
        time.sleep(0.1)
    raise AssertionError(f"{tag} never answered")
