"""The balancer's configuration: sound to HAProxy, and answering as servers do where it answers itself."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ekiben.errors import DeployRefused
from ekiben.packaging.balancer import Balancer
from ekiben.packaging.deployments import SLOTS
from ekiben.packaging.haproxy import ERRORS, Server, commands, configuration
from ekiben.serving.problems import REFUSALS
from tests.servers import free_port
from tests.unit.packaging.pages import serve_pages

LIVE = Server(1, 3001, "ready")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_haproxy_finds_the_configuration_sound(
    tmp_path: Path, haproxy: str, host: str
) -> None:
    text = configuration(host, 3000, [LIVE, Server(2, 3002, "drain")])
    (tmp_path / "haproxy.cfg").write_text(text)

    done = subprocess.run(
        [haproxy, "-c", "-f", "haproxy.cfg"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_only_what_is_ready_is_open_when_haproxy_starts() -> None:
    text = configuration("127.0.0.1", 3000, [LIVE, Server(2, 3002, "maint")])
    live = text.partition("\nbackend live")[2].partition("\nbackend trial")[0]
    servers = [line.split() for line in live.splitlines() if " server r" in line]

    assert len(servers) == SLOTS
    assert servers[0] == ["server", "r1", "127.0.0.1:3001"]
    assert {tuple(one[3:]) for one in servers[1:]} == {("disabled",)}


def test_a_place_is_filled_before_it_is_opened_and_empty_ones_are_closed() -> None:
    told = commands([LIVE])

    assert told[-3:] == [
        "set server trial/r1 addr 127.0.0.1 port 3001",
        "set server live/r1 addr 127.0.0.1 port 3001",
        "set server live/r1 state ready",
    ]
    assert f"set server live/r{SLOTS} state maint" in told


def test_what_haproxy_refuses_is_of_the_kinds_that_servers_refuse() -> None:
    for status, (code, title, _) in ERRORS.items():
        assert title == REFUSALS[code].title
        assert status in (REFUSALS[code].status, 502)


@pytest.fixture
def balancer(tmp_path: Path, haproxy: str) -> Iterator[Balancer]:
    made = Balancer(tmp_path / ("long" * 30) / "balancer", "127.0.0.1", free_port())
    yield made
    made.stop()
    assert made.kept.pid is None


def test_without_a_server_the_answer_is_a_problem_with_an_id(
    balancer: Balancer,
) -> None:
    balancer.align([])

    answer = balancer.ask_public("/v1/iris/predict", b"{}", {})

    assert answer.status == 503
    problem = json.loads(answer.body)
    assert (problem["code"], problem["status"]) == ("not_ready", 503)
    assert len(problem["request_id"]) == 36


def test_a_connection_on_which_nothing_comes_is_closed_without_a_page(
    balancer: Balancer,
) -> None:
    balancer.align([])

    with socket.create_connection((balancer.host, balancer.port)) as silent:
        silent.settimeout(30)
        silent.sendall(b"POST /v1/iris/predict HT")
        assert silent.recv(1000) == b""


def test_one_server_can_be_asked_before_anybody_else_can(balancer: Balancer) -> None:
    with serve_pages("one") as one, serve_pages("two") as two:
        balancer.align([Server(1, one, "ready"), Server(2, two, "maint")])
        assert balancer.wait_until_up(1)

        assert balancer.ask_one(2, "/", None, {}).body == b"two"
        assert {balancer.ask_public("/", None, {}).body for _ in range(6)} == {b"one"}

        balancer.align([Server(1, one, "drain"), Server(2, two, "ready")])
        assert balancer.wait_until_up(2)
        assert not balancer.is_up(1)
        assert {balancer.ask_public("/", None, {}).body for _ in range(6)} == {b"two"}


def test_a_server_that_died_is_asked_nothing_until_it_is_ready_again(
    balancer: Balancer,
) -> None:
    """A replica listens again, and is not ready, before three looks have found it gone."""
    with serve_pages("other") as other:
        with serve_pages("one") as one:
            balancer.align([Server(1, one, "ready"), Server(2, other, "ready")])
            assert balancer.wait_until_up(1)
            assert balancer.wait_until_up(2)
        found = [balancer.ask_public("/", None, {}).body for _ in range(4)]
        with serve_pages("not ready", port=one, status=503):
            found += [balancer.ask_public("/", None, {}).body for _ in range(20)]

    assert set(found) == {b"other"}


def test_a_balancer_that_is_killed_comes_back_as_it_stood(balancer: Balancer) -> None:
    with serve_pages("one") as one:
        balancer.align([Server(3, one, "ready")])
        process = balancer.kept.pid
        assert process

        subprocess.run(["kill", "-9", str(process)], check=True)
        until = time.monotonic() + 20
        while balancer.kept.pid in (None, process) and time.monotonic() < until:
            time.sleep(0.1)

        assert balancer.wait_until_up(3) or balancer.wait_until_up(3)
        assert balancer.ask_public("/", None, {}).body == b"one"


def test_an_address_that_is_taken_is_refused_in_one_line(
    balancer: Balancer, tmp_path: Path
) -> None:
    balancer.align([])
    second = Balancer(tmp_path / "second", balancer.host, balancer.port)

    with pytest.raises(DeployRefused, match="the balancer does not start"):
        second.align([])

    assert second.kept.keeper_pid is None
