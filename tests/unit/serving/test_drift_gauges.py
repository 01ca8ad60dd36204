"""The gauges of drift: when they are computed, what they show, what they never hide."""

import json
import logging
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ekiben.errors import DriftUnknown
from ekiben.registry.store import Store
from ekiben.serving import drift_gauges, metrics
from ekiben.serving.drift_gauges import FIRST_SECONDS, DriftGauges, run
from ekiben.settings import Settings
from tests import tiny
from tests.servers import PROJECT

DRIFTED = {
    "use_case": "tea",
    "verdict": "drifted",
    "words": "drifted: leaf",
    "rows": 500,
    "psi": {"leaf": 0.5, "water": None},
}


class Bench:
    """Gauges with a clock to turn, versions to change, and answers to give."""

    def __init__(self, home: Path, seconds: float = 3600) -> None:
        self.now = 1000.0
        self.versions = {"tea": "tea:a"}
        self.orders: list[dict[str, Any]] = []
        self.facts: list[dict[str, Any]] | DriftUnknown = [DRIFTED]
        self.left: int | None = None
        self.gauges = DriftGauges(
            Settings(home=home, drift_seconds=seconds),
            lambda: Store.at(home),
            lambda: self.versions,
            compute=self._compute,
            clock=lambda: self.now,
            left=lambda: self.left,
        )

    def _compute(self, order: str) -> str:
        self.orders.append(json.loads(order))
        if isinstance(self.facts, DriftUnknown):
            raise self.facts
        return "\n".join(json.dumps(one) for one in self.facts)

    def after(self, seconds: float) -> int:
        """Look once *seconds* later; return how often it was computed until now."""
        self.now += seconds
        self.gauges.look()
        return len(self.orders)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)
    for gauge in (metrics.drift_psi, metrics.drift_verdict, metrics.drift_rows):
        gauge.clear()


def test_where_a_container_has_no_room_it_is_not_begun_and_the_reason_is_told(
    bench: Bench,
) -> None:
    bench.left = 219 * 2**20
    with pytest.raises(DriftUnknown, match="has 219 MiB left, and it may take 220"):
        bench.after(FIRST_SECONDS)
    assert (bench.orders, verdict()) == ([], -1)

    bench.left = 220 * 2**20
    assert bench.after(3600) == 1
    assert verdict() == 2


def verdict() -> float:
    return float(metrics.drift_verdict.labels("tea")._value.get())


def psi(feature: str) -> float:
    return float(metrics.drift_psi.labels("tea", feature)._value.get())


def test_it_is_computed_a_while_after_the_start_and_then_now_and_then(
    bench: Bench,
) -> None:
    assert bench.after(0) == 0
    assert bench.after(FIRST_SECONDS) == 1
    assert bench.after(3599) == 1
    assert bench.after(1) == 2
    assert bench.orders[0]["versions"] == {"tea": "tea:a"}


def test_another_version_is_looked_at_soon(bench: Bench) -> None:
    bench.after(FIRST_SECONDS)
    bench.versions = {"tea": "tea:b"}

    assert bench.after(15) == 2
    assert bench.orders[1]["versions"] == {"tea": "tea:b"}
    assert bench.after(15) == 2


def test_nothing_is_computed_while_no_version_answers(bench: Bench) -> None:
    bench.versions = {}

    assert bench.after(FIRST_SECONDS) == 0


def test_what_was_found_is_shown_and_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        bench.after(FIRST_SECONDS)

    assert verdict() == 2
    assert psi("leaf") == 0.5
    assert math.isnan(psi("water"))
    assert metrics.drift_rows.labels("tea")._value.get() == 500
    assert [record.getMessage() for record in caplog.records] == ["drift"]


def test_sizes_of_the_version_before_are_not_shown_of_the_next(bench: Bench) -> None:
    bench.after(FIRST_SECONDS)
    bench.facts = [DRIFTED | {"verdict": "not enough rows", "psi": {}, "rows": 3}]
    bench.after(3600)

    assert verdict() == -1
    assert math.isnan(psi("leaf"))


def test_a_version_that_cannot_be_read_is_unknown_beside_the_others(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.facts = [
        {"use_case": "tea", "reason": "no model"},
        DRIFTED | {"use_case": "cha"},
    ]
    with caplog.at_level(logging.WARNING):
        bench.after(FIRST_SECONDS)

    assert verdict() == -1
    assert metrics.drift_verdict.labels("cha")._value.get() == 2
    assert "drift not computed" in caplog.text


def test_a_computation_that_fails_makes_everything_unknown_and_is_raised(
    bench: Bench,
) -> None:
    bench.after(FIRST_SECONDS)
    bench.facts = DriftUnknown("the log is away")

    with pytest.raises(DriftUnknown, match="the log is away"):
        bench.after(3600)

    assert verdict() == -1
    assert math.isnan(psi("leaf"))


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An order for the other process: a version without a reference, and none at all."""
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    store = Store.at(tmp_path)
    tag = tiny.register(store).card.tag
    return {
        "versions": {"iris": tag, "spam": "spam:gone"},
        "models": str(store.models),
        "staging": str(store.staging),
        "bytes": 2**33,
        "parent": os.getpid(),
    }


def test_the_other_process_answers_for_every_version(order: dict[str, Any]) -> None:
    iris, spam = map(json.loads, run(json.dumps(order)).splitlines())

    assert (iris["verdict"], iris["rows"], iris["psi"]) == ("no reference", 0, {})
    assert "train it again" in iris["words"]
    assert spam == {"use_case": "spam", "reason": "no model 'spam:gone' in the store"}


NOTE = """
import atexit, os
tell = lambda: print(os.getsid(0), os.nice(0), os.sched_getscheduler(0))
atexit.register(tell)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux shares processors so")
def test_requests_go_before_the_other_process(
    order: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another session it would get half of a processor, however nice it is."""
    (tmp_path / "sitecustomize.py").write_text(NOTE)
    monkeypatch.syspath_prepend(tmp_path)

    last = run(json.dumps(order)).splitlines()[-1]

    session, nice, policy = map(int, last.split())
    assert (session, nice, policy) == (os.getsid(0), 19, os.SCHED_IDLE)


def test_a_process_that_fails_or_takes_too_long_is_told(
    order: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EKIBEN_DRIFT_SECONDS", "soon")
    with pytest.raises(DriftUnknown, match="EKIBEN_DRIFT_SECONDS"):
        run(json.dumps(order))

    monkeypatch.setattr(drift_gauges, "MOST_SECONDS", 0.05)
    with pytest.raises(DriftUnknown, match="took over"):
        run(json.dumps(order))


WORKER = """
import sys
from pathlib import Path

import ekiben.serving.application
from ekiben.serving.plan import Plan
from ekiben.settings import Settings
from ekiben.use_cases.catalog import USE_CASES

settings = Settings(home=Path(sys.argv[1]))
Plan.make(settings, Path("service.py"), USE_CASES, {}).make_worker()
slow = {"scipy.stats", "jinja2", "ekiben.monitoring.drift", "ekiben.monitoring.reference"}
print(sorted(slow & sys.modules.keys()))
"""


def test_a_server_does_not_import_what_computes(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", WORKER, str(tmp_path)],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )

    assert said.stdout.strip() == "[]"
