"""C-65, C-66, C-75: workers that die or hang are replaced, and no count is lost by it."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from tests.criteria_plugin import Figure
from tests.faults.lives import (
    FLOWERS,
    TWO_WORKERS,
    files_of,
    output,
    ready_workers,
    until,
)
from tests.faults.traffic import IRIS, Probe, Traffic
from tests.servers import PROJECT, Server, environment, serve

pytestmark = [pytest.mark.alone, pytest.mark.server]

REPLACED_SECONDS = 15.0
HANG = {"EKIBEN_HANG_SECONDS": "5"}
CONTAINER = {"BENTOML_CONTAINERIZED": "true", "EKIBEN_OPEN_METRICS": "true"}

STUCK = """
import os, threading, time
from pathlib import Path
from ekiben.predictor import Predictor

plain = Predictor.predict

def compute(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(1000))

def predict(self, rows):
    compute(0.01)  # of processor time: long enough to leave the event loop
    order = Path(os.environ["HOME_OF_ORDERS"], "order")
    match order.read_text() if order.exists() else "":
        case "deadlock":
            lock = threading.Lock()
            lock.acquire()
            lock.acquire()
        case "slow":
            compute(6)
    return plain(self, rows)

Predictor.predict = predict
from service import Ekiben
"""


def serve_stuck(
    home: Path, folder: Path, extra: dict[str, str]
) -> AbstractContextManager[Server]:
    """Serve a model that does what the file `order` in *folder* says."""
    (folder / "stuck_service.py").write_text(STUCK)
    told = {"PYTHONPATH": str(PROJECT), "HOME_OF_ORDERS": str(folder)}
    return serve(
        home, target="stuck_service:Ekiben", cwd=folder, extra=FLOWERS | told | extra
    )


def counted(server: Server, name: str) -> float:
    """Return the sum of a metric over its labels."""
    text = httpx.get(f"{server.url}/metrics", timeout=10).text
    found = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.M)
    return sum(float(value) for value in found)


def new_key(home: Path) -> str:
    """Make a key to predict with: in a container none is let in without."""
    command = [sys.executable, "-m", "ekiben", "keys", "create", "--scope", "predict"]
    made = subprocess.run(
        command, cwd=PROJECT, env=environment(home), capture_output=True, check=True
    )
    return made.stdout.decode().strip()


@pytest.mark.parametrize(
    "container",
    [
        pytest.param({}, id="host", marks=pytest.mark.slow),
        pytest.param(CONTAINER, id="container"),
    ],
)
def test_c65_c75_a_killed_worker_is_replaced_and_only_its_own_requests_fail(
    home: Path, container: dict[str, str], figure: Figure
) -> None:
    began = time.monotonic()
    with serve(home, extra=TWO_WORKERS | container) as server:
        # On a machine with much else to do, a start takes longer than the limit.
        limit = max(REPLACED_SECONDS, 4 * (time.monotonic() - began))
        url = server.url
        traffic = Traffic(url, rate=50, tries=5, key=new_key(home))
        with traffic, Probe(url, "/readyz") as probe:
            time.sleep(1)
            before = counted(server, "ekiben_requests_total")
            since = time.monotonic()
            victim, _ = sorted(ready_workers(server))

            os.kill(victim, signal.SIGKILL)
            killed = time.monotonic()
            seconds = until(lambda: len(ready_workers(server) - {victim}) == 2, limit)
            time.sleep(1)
        after = counted(server, "ekiben_requests_total")
        until(lambda: counted(server, "bentoml_service_request_in_progress") <= 1, 5)
        starts = counted(server, "ekiben_worker_starts_total")
        said = output(server)

    assert {one.status for one in traffic.outcomes} == {200}
    again = [one for one in traffic.outcomes if one.tries > 1]
    # What began later never met the dead worker; its successor takes seconds.
    assert all(one.at < killed + max(0.5, seconds / 2) for one in again)
    assert set(probe.answers) <= {"ready", "silent"}
    assert after - before >= 0.8 * len(traffic.since(since))
    assert starts == 3
    assert "a worker died" in said
    figure("worker replaced after, s", seconds)
    figure("of its requests asked again", len(again))


PLAIN = """
import bentoml

@bentoml.service(workers=2)
class Plain:
    @bentoml.api
    def answer(self) -> int:
        return 1
"""


@pytest.mark.slow
def test_c65_without_our_supervisor_a_container_goes_on_with_a_dead_worker(
    tmp_path: Path,
) -> None:
    (tmp_path / "plain.py").write_text(PLAIN)
    with serve(tmp_path, target="plain:Plain", cwd=tmp_path, extra=CONTAINER) as server:
        victim, other = sorted(server.workers())[-2:]

        os.kill(victim, signal.SIGKILL)
        time.sleep(REPLACED_SECONDS)

        assert server.process.poll() is None
        assert other in server.workers()
        assert len(server.workers()) == len({*server.workers(), victim}) - 1
        assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_c65_workers_do_not_outlive_their_supervisor(home: Path) -> None:
    with serve(home, extra=FLOWERS) as server:
        (worker,) = server.workers()

        os.kill(server.process.pid, signal.SIGKILL)

        until(lambda: not Path(f"/proc/{worker}").exists(), REPLACED_SECONDS)
        with pytest.raises(httpx.TransportError):
            httpx.get(server.url, timeout=2)


def test_c66_a_worker_that_is_stopped_is_replaced(home: Path, figure: Figure) -> None:
    with serve(home, extra=FLOWERS | HANG) as server:
        (worker,) = server.workers()
        with Probe(server.url, "/livez") as probe:
            until(lambda: bool(probe.seen), 5)
            os.kill(worker, signal.SIGSTOP)

            until(lambda: not Path(f"/proc/{worker}").exists(), 30)
            until(lambda: bool(ready_workers(server) - {worker}), 30)
            seconds = until(lambda: probe.answers[-1] == "alive", 30)
        assert "silent" in probe.answers
        assert "has not moved for 5 s" in output(server)
    figure("served again after, s", seconds)


@pytest.mark.slow
def test_c66_liveness_turns_red_for_a_deadlock_but_not_for_a_slow_model(
    home: Path, tmp_path: Path
) -> None:
    patience = {"EKIBEN_DEADLINE_MS": "240000"}
    with serve_stuck(home, tmp_path, HANG | patience) as server:
        (worker,) = server.workers()
        (tmp_path / "order").write_text("slow")
        with Probe(server.url, "/livez") as calm:
            answer = httpx.post(
                f"{server.url}/v1/iris/predict", json={"rows": [IRIS]}, timeout=240
            )
        assert answer.status_code == 200
        assert set(calm.answers) <= {"alive", "silent"}, "a busy machine may be late"
        assert list(ready_workers(server)) == [worker]

        (tmp_path / "order").write_text("deadlock")
        with Probe(server.url, "/livez") as red, Traffic(server.url, rate=1):
            until(lambda: "not_ready" in red.answers, 30)
            (tmp_path / "order").unlink()
            until(lambda: worker not in files_of(server).states(), 30)
