"""C-67, C-68, C-71: a server is taken out before it stops, and stops in its time whatever hangs."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import httpx
import pytest

from tests.criteria_plugin import Figure
from tests.faults.lives import (
    FLOWERS,
    TWO_WORKERS,
    assert_gone,
    files_of,
    output,
    processes,
    until,
)
from tests.faults.test_life_of_workers import counted, serve_stuck
from tests.faults.traffic import IRIS, Probe, Traffic
from tests.haproxy import balance
from tests.servers import PROJECT, Server, environment, free_port, serve, wait_until_up

pytestmark = pytest.mark.server

STOP_SECONDS = 60.0
"""An idle machine takes 25; what is not bounded hangs for ever."""
AT_ONCE = 12.0
"""Less than the grace, which is left out."""
DRAIN = {"EKIBEN_DRAIN_SECONDS": "3"}
CALM = (0, -signal.SIGTERM, 128 + signal.SIGTERM)


def drain(server: Server, home: Path, *more: str) -> subprocess.CompletedProcess[str]:
    port = server.url.rpartition(":")[2]
    return subprocess.run(
        [sys.executable, "-m", "ekiben", "drain", "--port", port, *more],
        cwd=PROJECT,
        env=environment(home, {"EKIBEN_DRAIN_SECONDS": "2"}),
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Fleet:
    """Three servers behind a balancer."""

    url: str
    servers: dict[str, Server]


@pytest.fixture(scope="module")
def fleet(
    home: Path, haproxy: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    # Its grace is long: on a busy machine the balancer hears of it late.
    grace = {"patient": "6", "hasty": "0", "last": "3"}
    ports = {name: free_port() for name in grace}
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(
                serve(
                    home,
                    extra=FLOWERS
                    | {"EKIBEN_DRAIN_SECONDS": seconds}
                    # Of it a test has to see when the balancer asks.
                    | ({"EKIBEN_ACCESS_LOG": "1"} if name == "hasty" else {}),
                    port=ports[name],
                    wait=False,
                )
            )
            for name, seconds in grace.items()
        }
        for server in servers.values():
            wait_until_up(server, "/readyz")
        place = tmp_path_factory.mktemp("haproxy")
        door = stack.enter_context(balance(haproxy, list(ports.values()), place, 1000))
        door.wait()
        time.sleep(1.5)
        yield Fleet(door.url, servers)


def test_c67_a_server_that_drains_under_load_loses_no_request(
    fleet: Fleet, figure: Figure
) -> None:
    server = fleet.servers["patient"]
    with Traffic(fleet.url, rate=100) as traffic:
        time.sleep(1)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(STOP_SECONDS)
        seconds = time.monotonic() - began
        time.sleep(1)

    assert code in CALM
    assert {one.status for one in traffic.outcomes} == {200}
    assert_gone(server)
    figure("requests while it stopped", len(traffic.outcomes))
    figure("stopped in, s", seconds)


def test_c67_without_the_grace_requests_are_lost(fleet: Fleet) -> None:
    server = fleet.servers["hasty"]
    with Traffic(fleet.url, rate=100) as traffic:
        time.sleep(1)
        # Just after the balancer has asked: the next time it might be quicker than clients.
        asked = output(server).count("/readyz")
        until(lambda: output(server).count("/readyz") > asked, 5)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(STOP_SECONDS)
        time.sleep(1)

    lost = [one for one in traffic.outcomes if one.status != 200]
    assert lost


def test_c67_a_drained_server_serves_on_until_it_is_stopped(
    fleet: Fleet, home: Path
) -> None:
    server = fleet.servers["last"]

    done = drain(server, home, "--json")

    assert done.returncode == 0, done.stderr
    assert '"waited_seconds": 2.0' in done.stdout
    ready = httpx.get(f"{server.url}/readyz")
    assert (ready.status_code, ready.json()["code"]) == (503, "draining")
    answer = httpx.post(f"{server.url}/v1/iris/predict", json={"rows": [IRIS]})
    assert answer.status_code == 200
    assert drain(server, home, "--undo").returncode == 0
    assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_draining_is_refused_where_no_server_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ekiben", "drain"],
        cwd=PROJECT,
        env=environment(tmp_path, {"EKIBEN_RUN_DIR": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == "ekiben: no server of this user runs\n"


def half_a_request(port: int) -> socket.socket:
    """Open a connection, and send less than it announces."""
    door = socket.create_connection(("127.0.0.1", port))
    door.sendall(
        b"POST /v1/iris/predict HTTP/1.1\r\nHost: x\r\n"
        b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    )
    return door


def a_request(port: int) -> socket.socket:
    """Send a request, and do not wait for its answer."""
    body = json.dumps({"rows": [IRIS]}).encode()
    door = socket.create_connection(("127.0.0.1", port))
    door.sendall(
        b"POST /v1/iris/predict HTTP/1.1\r\nHost: x\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    door.sendall(body)
    return door


def first_refusal(server: Server) -> httpx.Response:
    """Predict until the server, which drains, refuses to.

    A connection that a worker took as it ended is cut off: who asks again finds the other.
    """
    while server.process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            found = httpx.post(f"{server.url}/v1/iris/predict", json={"rows": [IRIS]})
            if found.status_code != 200:
                return found
        time.sleep(0.1)
    raise AssertionError("it ended without a refusal")


@pytest.mark.alone
def test_c68_c71_what_the_probes_say_from_the_start_to_the_end(home: Path) -> None:
    extra = TWO_WORKERS | {"EKIBEN_DRAIN_SECONDS": "2"}
    with serve(home, extra=extra, wait=False) as server:
        with Probe(server.url, "/readyz") as ready, Probe(server.url, "/livez") as live:
            wait_until_up(server, "/readyz")
            until(lambda: "ready" in ready.answers and "alive" in live.answers, 5)
            slow = half_a_request(int(server.url.rpartition(":")[2]))
            server.process.send_signal(signal.SIGTERM)
            refused = first_refusal(server)
            slow.close()
            code = server.process.wait(STOP_SECONDS)
            until(lambda: ready.answers[-1] == live.answers[-1] == "silent", 5)

        assert code in CALM
        assert_gone(server)
    # A busy machine may be late now and then.
    said = [one for one in ready.answers if one != "silent"]
    assert [one for one, _ in groupby(said)] == ["not_ready", "ready", "draining"]
    assert set(live.answers) == {"alive", "silent"}
    assert ready.answers[-1] == live.answers[-1] == "silent"
    assert (refused.status_code, refused.json()["code"]) == (503, "draining")
    assert refused.headers["connection"] == "close"
    assert int(refused.headers["retry-after"]) >= 1


@pytest.mark.alone
def test_c68_asked_twice_it_stops_at_once(home: Path) -> None:
    extra = TWO_WORKERS | {"EKIBEN_DRAIN_SECONDS": "15"}
    with serve(home, extra=extra) as server:
        server.process.send_signal(signal.SIGTERM)
        # Two signals that come before it looks would be one.
        until(lambda: '"draining"' in output(server), 5)
        time.sleep(1)
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(AT_ONCE) in CALM
        assert_gone(server)


@pytest.mark.alone
def test_c68_at_a_terminal_it_stops_quickly(home: Path) -> None:
    extra = FLOWERS | {"EKIBEN_DRAIN_SECONDS": "15"}
    with serve(home, extra=extra) as server:
        os.killpg(server.process.pid, signal.SIGINT)

        assert server.process.wait(AT_ONCE) in CALM
        assert_gone(server)


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(0.5, marks=pytest.mark.slow),
        3.0,
        pytest.param(4.5, marks=pytest.mark.slow),
        pytest.param(6.0, marks=pytest.mark.slow),
    ],
)
def test_c68_it_can_be_stopped_while_it_starts(home: Path, seconds: float) -> None:
    with serve(home, extra=FLOWERS | DRAIN, wait=False) as server:
        time.sleep(seconds)
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(STOP_SECONDS) in CALM
        assert_gone(server)


def test_c68_a_signal_at_the_start_of_its_workers_is_not_forgotten(home: Path) -> None:
    """circus lets go of what it is asked while it starts them."""
    with serve(home, extra=FLOWERS | DRAIN, wait=False) as server:
        while files_of(server).facts is None:
            time.sleep(0.001)
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(STOP_SECONDS) in CALM
        assert_gone(server)


@pytest.mark.alone
@pytest.mark.slow
def test_c68_fifty_slow_clients_hold_nobody_up(home: Path, figure: Figure) -> None:
    with serve(home, extra=FLOWERS | DRAIN) as server:
        port = int(server.url.rpartition(":")[2])
        slow = [half_a_request(port) for _ in range(50)]
        time.sleep(0.5)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(STOP_SECONDS) in CALM
        assert_gone(server)
        figure("stopped beside slow clients in, s", time.monotonic() - began)
        for one in slow:
            one.close()


@pytest.mark.alone
@pytest.mark.slow
def test_c68_a_stuck_model_thread_holds_nobody_up(home: Path, tmp_path: Path) -> None:
    with serve_stuck(home, tmp_path, DRAIN) as server:
        (tmp_path / "order").write_text("deadlock")
        port = int(server.url.rpartition(":")[2])
        stuck = a_request(port)
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(STOP_SECONDS) in CALM
        assert_gone(server)
        assert stuck.recv(1) == b""
        stuck.close()


def test_c75_a_second_server_on_one_home_leaves_the_first_ones_counts(
    fleet: Fleet, home: Path
) -> None:
    first = fleet.servers["last"]
    httpx.post(f"{first.url}/v1/iris/predict", json={"rows": [IRIS]})
    before = counted(first, "ekiben_rows_total")
    assert before >= 1

    with serve(home, extra=FLOWERS) as second:
        assert counted(second, "ekiben_rows_total") < before
        assert counted(first, "ekiben_rows_total") == before


def test_the_processes_of_a_server_are_seen(fleet: Fleet) -> None:
    server = fleet.servers["last"]

    assert len(processes(server)) == 2
    until(lambda: bool(files_of(server).states()), 5)
