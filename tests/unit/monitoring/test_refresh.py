import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ekiben.errors import LogUnavailable
from ekiben.monitoring.refresh import Job, Lease, Refresher


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def counting(times: list[float], clock: Clock) -> Callable[[], None]:
    return lambda: times.append(clock.now)


def test_a_job_runs_at_once_and_then_when_it_is_due() -> None:
    clock, times = Clock(), list[float]()
    refresher = Refresher([Job("gauges", counting(times, clock), 60)], clock=clock)

    for clock.now in (100.0, 159.0, 160.0, 161.0, 220.0):
        refresher.look()

    assert times == [100.0, 160.0, 220.0]


@pytest.mark.parametrize("error", [LogUnavailable("away"), ValueError("a fault")])
def test_a_job_that_fails_is_told_and_asked_again_and_holds_up_no_other(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    clock, times = Clock(), list[float]()

    def fail() -> None:
        times.append(-clock.now)
        raise error

    jobs = [Job("bad", fail, 60), Job("good", counting(times, clock), 60)]
    refresher = Refresher(jobs, clock=clock)
    for clock.now in (100.0, 160.0):
        refresher.look()

    assert times == [-100.0, 100.0, -160.0, 160.0]
    assert "refresh failed" in caplog.text


def test_of_two_only_the_one_that_holds_the_lease_works_until_it_lets_go(
    tmp_path: Path,
) -> None:
    clock, times = Clock(), list[float]()
    leases = [Lease(tmp_path / "refresh"), Lease(tmp_path / "refresh")]
    first, second = (
        Refresher([Job("gauges", counting(times, clock), 60)], lease, clock=clock)
        for lease in leases
    )

    first.look()
    second.look()
    assert times == [100.0]
    leases[0].release()
    second.look()

    assert times == [100.0, 100.0]


def test_the_lease_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    path = tmp_path / "refresh"
    code = (
        "import sys, time; from pathlib import Path;"
        "from ekiben.monitoring.refresh import Lease;"
        "lease = Lease(Path(sys.argv[1]));"
        "print(lease.take(), flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        held = Lease(path).take()
        other.kill()

    assert not held
    assert Lease(path).take()


def test_where_the_lease_cannot_be_kept_nothing_is_refreshed(tmp_path: Path) -> None:
    times = list[float]()
    lease = Lease(tmp_path / "nowhere" / "refresh")

    Refresher([Job("gauges", counting(times, Clock()), 60)], lease).look()

    assert times == []
