"""From predictions over feedback to live quality, on a server of two workers."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ekiben.holdout import read_holdout
from ekiben.monitoring.feedback_store import FeedbackStore
from ekiben.registry.manifest import read_version
from ekiben.schemas.model_card import Evaluation, Metric
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case
from tests.feedback import log_of, predict, tell
from tests.servers import PROJECT, Server, environment, serve
from tests.timing import at_most, measures_time

pytestmark = pytest.mark.server

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Watched:
    """A server that measures every second, its home and its log."""

    server: Server
    home: Path
    log: FeedbackStore
    client: httpx.Client


@pytest.fixture(scope="module")
def watched(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Two workers with a ledger and a log of their own."""
    path = tmp_path_factory.mktemp("watched")
    (path / "models").symlink_to(home / "models")
    logs = shutil.ignore_patterns("predictions*")
    shutil.copytree(home / "ekiben", path / "ekiben", ignore=logs)
    extra = {
        "EKIBEN_MODELS": "iris,turnover,spam",
        "EKIBEN_REFRESH_SECONDS": "1",
        "BENTOML_CONFIG_OPTIONS": "services.ekiben.workers=2",
    }
    with (
        serve(path, extra=extra) as running,
        running.client() as client,
        closing(log_of(path)) as log,
    ):
        yield Watched(running, path, log, client)


def holdout_of(watched: Watched, name: str) -> tuple[str, list[Any], list[Any]]:
    """Return the tag that answers, and its test rows with their labels."""
    tag: str = watched.client.get(f"/v1/models/{name}").json()["tag"]
    _, files = read_version(watched.home / "models" / tag.replace(":", "/"))
    holdout = read_holdout(get_use_case(name), files)
    rows = get_use_case(name).encoding.rows_of(holdout.frame)
    return tag, rows, holdout.labels.tolist()


def feed(
    watched: Watched, name: str, rows: Sequence[Any], labels: Sequence[Any]
) -> None:
    for start in range(0, len(rows), 500):
        part = slice(start, start + 500)
        answers = predict(watched.client, watched.log, name, rows[part])
        ids = [one["prediction_id"] for one in answers]
        response = tell(watched.client, name, dict(zip(ids, labels[part], strict=True)))
        assert response.json() == {
            "accepted": len(ids),
            "duplicates": 0,
            "unknown": [],
        }


def live_part(watched: Watched, name: str, wanted: str, rows: int) -> dict[str, Any]:
    """Return the live figures of the only version when they are of *rows* predictions."""
    found: dict[str, Any] = {}
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        path = f"/v1/models/{name}/performance?filter={wanted}"
        found = watched.client.get(path).json()["live"]
        versions = found["versions"]
        if found["state"] == "measured" and versions:
            (version,) = versions
            if version["with_feedback"] == rows:
                return dict(version)
        time.sleep(0.3)
    raise AssertionError(found)


def assert_same(found: dict[str, Any], expected: dict[str, Metric]) -> None:
    assert found.keys() == expected.keys()
    for name, figure in expected.items():
        assert abs(found[name]["value"] - figure.value) <= 1e-9, name
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]


@pytest.mark.parametrize("name", ["turnover", "spam"])
def test_live_metrics_equal_the_offline_ones_on_the_same_rows(
    watched: Watched, name: str
) -> None:
    tag, rows, labels = holdout_of(watched, name)
    card = watched.client.get(f"/v1/models/{name}").json()["evaluation"]
    offline = Evaluation.model_validate(card)
    assert offline.rows == len(rows)

    feed(watched, name, rows, labels)

    overall = live_part(watched, name, "overall", len(rows))
    assert (overall["model"], overall["coverage"]) == (tag, 1.0)
    assert overall["rows"] == len(rows)
    assert_same(overall["metrics"], offline.overall)
    for group, metrics in offline.per_class.items():
        part = live_part(watched, name, f"class:{group}", len(rows))
        assert_same(part["metrics"], metrics)
    for slice_name, groups in offline.per_slice.items():
        for group, measured in groups.items():
            wanted = f"slice:{slice_name}:{group}"
            part = live_part(watched, name, wanted, len(rows))
            assert part["rows"] == measured.rows
            assert_same(part["metrics"], measured.metrics)
    assert_gauges(watched, name, tag, offline.overall)
    assert_command(watched, name, tag, offline)


def assert_gauges(
    watched: Watched, name: str, tag: str, expected: dict[str, Metric]
) -> None:
    """Check that the gauges come to say the same."""
    until = time.monotonic() + PATIENCE_SECONDS
    wanted = pytest.approx(
        {metric: figure.value for metric, figure in expected.items()}, abs=1e-9
    )
    while True:
        lines = watched.client.get("/metrics").text.splitlines()
        found = {
            metric: float(line.split()[-1])
            for metric in expected
            for line in lines
            if line.startswith("ekiben_live_quality{")
            and all(f'"{one}"' in line for one in (metric, tag, name))
        }
        coverage = f'ekiben_feedback_coverage{{use_case="{name}"}} 1.0'
        # Measured while the rows came in, they were of some of them.
        if time.monotonic() > until or (coverage in lines and found == wanted):
            break
        time.sleep(0.3)
    assert coverage in lines
    assert found == wanted


def assert_command(watched: Watched, name: str, tag: str, offline: Evaluation) -> None:
    def run(*more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "ekiben", "performance", name, *more],
            cwd=PROJECT,
            env=environment(watched.home),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    facts = json.loads(run("--json", "--since", "1d"))
    (version,) = facts["versions"]
    assert (version["model"], version["coverage"]) == (tag, 1.0)
    assert_same(version["evaluation"]["overall"], offline.overall)
    assert version["offline"] == offline.model_dump(mode="json")
    told = run()
    assert tag in told
    assert "100.0%" in told


def test_of_many_who_post_the_same_to_two_workers_each_item_is_accepted_once(
    watched: Watched,
) -> None:
    rows = (get_use_case("iris").examples * 200)[:200]
    answers = predict(watched.client, watched.log, "iris", rows)
    labels = {one["prediction_id"]: one["species"] for one in answers}

    def post(turn: int) -> dict[str, Any]:
        # A connection of its own each, so that both workers get some.
        ordered = dict(sorted(labels.items(), reverse=turn % 2 == 1))
        with watched.server.client() as client:
            found: dict[str, Any] = tell(client, "iris", ordered).json()
            return found

    with ThreadPoolExecutor(12) as pool:
        taken = list(pool.map(post, range(24)))

    assert sum(one["accepted"] for one in taken) == 200
    assert sum(one["duplicates"] for one in taken) == 23 * 200
    assert not any(one["unknown"] for one in taken)


@measures_time
@pytest.mark.alone
def test_while_the_log_is_locked_feedback_is_503_and_predictions_go_on(
    watched: Watched,
) -> None:
    flower = get_use_case("iris").examples[:1]
    (answer,) = predict(watched.client, watched.log, "iris", flower)
    label = {answer["prediction_id"]: "setosa"}
    file = Settings(home=watched.home).log_url.removeprefix("sqlite:///")

    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool, watched.server.client() as client:
            waiting = pool.submit(tell, client, "iris", label)
            slowest = 0.0
            while not waiting.done():
                start = time.monotonic()
                assert watched.client.get("/livez").status_code == 200
                slowest = max(slowest, time.monotonic() - start)
                time.sleep(0.05)
            refused = waiting.result()
        other.execute("ROLLBACK")
    again = tell(watched.client, "iris", label)

    assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
    assert int(refused.headers["retry-after"]) >= 1
    assert again.json() == {"accepted": 1, "duplicates": 0, "unknown": []}
    at_most(2.0, slowest)
