"""Counts by version reach the files that /metrics adds up, and leave them with their version."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from ekiben.serving import sheet
from ekiben.serving.in_process import InProcess
from ekiben.serving.metrics import LATENCY
from ekiben.serving.sheet import REST_SECONDS, Sheets, forget_gauges
from ekiben.serving.version_counts import (
    COUNTERS,
    GAUGES,
    HISTOGRAMS,
    Distribution,
    Versions,
)

# A process keeps these files open for its life, as prometheus_client does with its own.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def versions(tmp_path: Path, clock: Clock) -> Versions:
    return Versions("iris", Sheets("iris", tmp_path, clock))


def families(directory: Path) -> dict[str, Metric]:
    """Return what `/metrics` would show of the files."""
    collector = MultiProcessCollector(CollectorRegistry(), str(directory))  # type: ignore[no-untyped-call]
    return {one.name: one for one in collector.collect()}  # type: ignore[no-untyped-call]


def samples(directory: Path, tag: str) -> dict[str, float]:
    """Return the samples of one version, named with their last label."""
    return {
        one.name + one.labels.get("le", "") + one.labels.get("code", ""): one.value
        for family in families(directory).values()
        for one in family.samples
        if one.labels["model"] == tag
    }


def test_a_new_version_begins_with_zeros_of_every_family(
    versions: Versions, tmp_path: Path
) -> None:
    versions.keep({"iris:1"}, "iris:1")

    found = families(tmp_path)
    assert set(found) == {one.name for one in (*HISTOGRAMS, *COUNTERS, *GAUGES)}
    for family in (*HISTOGRAMS, *COUNTERS, *GAUGES):
        assert found[family.name].type == family.type
        assert found[family.name].documentation == family.help
        assert all(
            set(one.labels) - {"le"} == set(family.labels)
            for one in found[family.name].samples
        )
    values = samples(tmp_path, "iris:1")
    assert {name for name, value in values.items() if value} == {
        "ekiben_version_loaded",
        "ekiben_version_answering",
    }


def test_what_is_counted_is_what_is_read(versions: Versions, tmp_path: Path) -> None:
    counts = versions.of("iris:1")
    for seconds in (0.00005, 0.0001, 0.003, 11.0):
        counts.model_seconds.add(seconds)
    counts.rows += 7
    counts.errors["internal"] += 2

    versions.keep({"iris:1"}, None)

    found = samples(tmp_path, "iris:1")
    assert found["ekiben_model_seconds_bucket0.0001"] == 2
    assert found["ekiben_model_seconds_bucket0.0025"] == 2
    assert found["ekiben_model_seconds_bucket0.005"] == 3
    assert found["ekiben_model_seconds_bucket10.0"] == 3
    assert found["ekiben_model_seconds_bucket+Inf"] == 4
    assert found["ekiben_model_seconds_count"] == 4
    assert found["ekiben_model_seconds_sum"] == pytest.approx(11.00315)
    assert found["ekiben_rows_total"] == 7
    assert found["ekiben_errors_totalinternal"] == 2
    assert found["ekiben_version_answering"] == 0


def test_the_buckets_reach_from_a_tenth_of_a_millisecond_to_ten_seconds() -> None:
    assert LATENCY[0] == 0.0001
    assert LATENCY[-1] == 10.0
    assert list(LATENCY) == sorted(LATENCY)


def test_a_bound_belongs_to_its_own_bucket_as_prometheus_says() -> None:
    distribution = Distribution((1.0, 2.0))

    for value in (1.0, 1.5, 2.0, 2.5):
        distribution.add(value)

    assert distribution.counts == [1, 2, 1]
    assert distribution.total == 7.0


def test_a_version_that_is_let_go_leaves_the_metrics(
    versions: Versions, tmp_path: Path
) -> None:
    versions.of("iris:1").rows += 5
    versions.keep({"iris:1", "iris:2"}, "iris:2")
    versions.keep({"iris:2", "iris:3"}, "iris:3")

    assert samples(tmp_path, "iris:1") == {}
    assert samples(tmp_path, "iris:2")["ekiben_version_answering"] == 0
    assert samples(tmp_path, "iris:3")["ekiben_version_answering"] == 1


def test_a_version_that_comes_back_begins_anew(
    versions: Versions, tmp_path: Path
) -> None:
    versions.of("iris:1").rows += 5
    versions.keep({"iris:1"}, "iris:1")
    versions.keep({"iris:2"}, "iris:2")

    versions.keep({"iris:1", "iris:2"}, "iris:1")

    assert samples(tmp_path, "iris:1")["ekiben_rows_total"] == 0


def test_200_swaps_to_new_versions_leave_files_and_lines_as_they_were(
    versions: Versions, clock: Clock, tmp_path: Path
) -> None:
    def size() -> tuple[int, int, int]:
        files = list(tmp_path.iterdir())
        lines = sum(len(one.samples) for one in families(tmp_path).values())
        return len(files), sum(one.stat().st_size for one in files), lines

    def swap(number: int) -> None:
        clock.now += REST_SECONDS + 1
        loaded = {f"iris:{number - 1}", f"iris:{number}"}
        versions.of(f"iris:{number}").rows += number
        versions.keep(loaded, f"iris:{number}")

    for number in range(1, 21):
        swap(number)
    before = size()
    for number in range(21, 221):
        swap(number)

    assert size() == before
    assert before[0] <= 3 * 4  # two loaded, one at rest, one in between
    assert samples(tmp_path, "iris:220")["ekiben_rows_total"] == 220


def test_an_emptied_file_rests_before_it_is_written_again(
    versions: Versions, clock: Clock, tmp_path: Path
) -> None:
    versions.keep({"iris:1"}, "iris:1")
    versions.keep({"iris:2"}, "iris:2")
    versions.keep({"iris:3"}, "iris:3")
    assert len(list(tmp_path.glob("counter_*.db"))) == 3

    clock.now += REST_SECONDS + 1
    versions.keep({"iris:4"}, "iris:4")

    assert len(list(tmp_path.glob("counter_*.db"))) == 3


def test_the_counts_of_two_workers_are_added(
    versions: Versions, tmp_path: Path
) -> None:
    left_by_another(tmp_path, "iris:1")
    versions.of("iris:1").rows += 5

    versions.keep({"iris:1"}, "iris:1")

    found = samples(tmp_path, "iris:1")
    assert found["ekiben_rows_total"] == 5 + 3
    assert found["ekiben_version_loaded"] == 2


def test_what_a_dead_worker_counted_stays_until_its_version_is_let_go(
    versions: Versions, tmp_path: Path
) -> None:
    pid = left_by_another(tmp_path, "iris:1")
    forget_gauges(tmp_path, pid)
    versions.keep({"iris:1"}, "iris:1")
    found = samples(tmp_path, "iris:1")
    assert found["ekiben_rows_total"] == 3
    assert found["ekiben_version_loaded"] == 1

    versions.keep({"iris:2"}, "iris:2")

    assert samples(tmp_path, "iris:1") == {}


def left_by_another(directory: Path, tag: str) -> int:
    """Let a process count three rows of a version and end; return its id."""
    program = (
        "from pathlib import Path\n"
        "from ekiben.serving.sheet import Sheets\n"
        "from ekiben.serving.version_counts import Versions\n"
        f"versions = Versions('iris', Sheets('iris', Path({str(directory)!r})))\n"
        f"versions.of({tag!r}).rows += 3\n"
        f"versions.keep({{{tag!r}}}, {tag!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    assert process.wait(60) == 0
    return process.pid


def test_without_room_a_version_goes_uncounted_and_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    versions = Versions("iris", Sheets("iris", tmp_path))

    def full(path: Path, size: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(sheet, "fill", full)
        versions.of("iris:1").rows += 1
        versions.keep({"iris:1"}, "iris:1")
        versions.publish()
    assert [one.message for one in caplog.records] == ["no room for metrics"]

    versions.publish()

    assert samples(tmp_path, "iris:1")["ekiben_rows_total"] == 1


def test_where_nobody_reads_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(sheet.DIRECTORY_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    versions = Versions("iris")

    versions.keep({"iris:1"}, "iris:1")

    assert os.listdir(tmp_path) == []


def test_a_process_of_its_own_shows_the_same_numbers(
    versions: Versions, tmp_path: Path
) -> None:
    counts = versions.of("iris:1")
    for seconds in (0.00005, 0.003, 11.0):
        counts.model_seconds.add(seconds)
    counts.rows += 7
    counts.errors["deadline_exceeded"] += 1
    versions.keep({"iris:1"}, "iris:1")
    collector = InProcess()
    collector.add(versions)

    def shown(metrics: Iterable[Metric]) -> set[tuple[str, str, str, str, float]]:
        return {
            (
                metric.name,
                metric.documentation,
                one.name,
                str(sorted(one.labels.items())),
                one.value,
            )
            for metric in metrics
            for one in metric.samples
        }

    assert shown(collector.collect()) == shown(families(tmp_path).values())
