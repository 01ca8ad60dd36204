"""C-20, C-21, C-22, C-26, C-28: in a batch nobody gets another's answer, fault or leftovers."""

import asyncio
import itertools
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.lives import until
from tests.faults.raw_client import (
    Reply,
    connect,
    flower,
    request_bytes,
    stub_server,
)
from tests.faults.stub_server import POISON
from tests.faults.test_overload import check_nothing_is_lost
from tests.servers import PATIENCE, Server

pytestmark = pytest.mark.server

CLIENTS = 32


def numbered(client: int, turn: int) -> float:
    """Return a number in (0, 30] that no other request of its moment has."""
    return 1 + client / 2 + turn % 499 / 1000


async def in_step(
    port: int, rounds: int, guilty: bool = True
) -> list[tuple[bool, float, Reply]]:
    """Ask with CLIENTS at once, round by round; one of each round makes the model raise."""
    got: list[tuple[bool, float, Reply]] = []
    barrier = asyncio.Barrier(CLIENTS)

    async def client(number: int) -> None:
        async with connect(port) as connection:
            for turn in range(rounds):
                culprit = guilty and turn % CLIENTS == number
                sent = numbered(number, turn)
                row = flower(sent, POISON if culprit else 3.0)
                await barrier.wait()
                got.append((culprit, sent, await connection.ask(request_bytes([row]))))

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return got


rounds = pytest.mark.parametrize(
    "rounds", [20, pytest.param(200, marks=pytest.mark.slow)]
)


@rounds
def test_c20_one_request_that_makes_the_model_raise_fails_alone(
    tmp_path: Path, rounds: int
) -> None:
    with stub_server(tmp_path, call_ms=0.5) as server:
        got = asyncio.run(in_step(server.port, rounds))

        for culprit, sent, reply in got:
            assert reply.status == (500 if culprit else 200)
            if not culprit:
                assert reply.body[0]["echo"] == sent
        assert server.metric("ekiben_failed_batches_total") > rounds
        check_nothing_is_lost(server)


def test_c20_without_the_isolation_neighbours_fail_too(tmp_path: Path) -> None:
    with stub_server(tmp_path, call_ms=0.5, removed="isolation") as server:
        got = asyncio.run(in_step(server.port, 10))

    assert any(reply.status == 500 for culprit, _, reply in got if not culprit)


@pytest.mark.parametrize(
    "fault", ["one-missing", "one-too-many", "nan", "dtype", "transposed"]
)
def test_c21_answers_of_the_wrong_shape_reach_nobody(
    tmp_path: Path, fault: str
) -> None:
    with stub_server(tmp_path, call_ms=0.5, fault=fault) as server:
        got = asyncio.run(in_step(server.port, 5, guilty=False))

        assert {reply.status for _, _, reply in got} == {500}
        assert {reply.body["code"] for _, _, reply in got} == {"internal"}
        assert server.metric("ekiben_batch_shape_mismatch_total") > 0
        assert server.metric("ekiben_failed_batches_total") == 0
        check_nothing_is_lost(server)


def test_c21_without_the_check_a_client_gets_the_answer_of_another(
    tmp_path: Path,
) -> None:
    stub: dict[str, Any] = {"fault": "one-too-many", "removed": "length check"}
    with stub_server(tmp_path, call_ms=0.5, **stub) as server:
        got = asyncio.run(in_step(server.port, 5, guilty=False))

    echoed = [
        (sent, r.body[0]["echo"]) for _, sent, r in got if r.status == 200 and r.body
    ]
    assert any(sent != echo for sent, echo in echoed)


def mixed_up(port: int, count: int) -> list[str]:
    """Have two tenants ask *count* times in turns; return the ids of wrong answers."""
    turns = itertools.count()
    mixed: list[str] = []

    async def tenant(name: str, number: float) -> None:
        async with connect(port) as connection:
            while (turn := next(turns)) < count:
                identity = f"{name}-{turn}"
                sent = number + turn % 4999 / 1000
                asked = request_bytes([flower(sent)], X_Request_ID=identity)
                reply = await connection.ask(asked)
                same = reply.headers["x-request-id"] == identity
                if not same or reply.body[0]["echo"] != sent:
                    mixed.append(identity)

    async def scenario() -> None:
        await asyncio.gather(tenant("a", 1.0), tenant("b", 10.0))

    asyncio.run(scenario())
    return mixed


@pytest.mark.parametrize("count", [2000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_c22_two_tenants_that_alternate_never_see_each_others_ids_or_answers(
    tmp_path: Path, count: int
) -> None:
    with stub_server(tmp_path) as server:
        assert mixed_up(server.port, count) == []
        check_nothing_is_lost(server)


def test_c22_without_ids_of_their_own_all_requests_after_the_first_are_mixed_up(
    tmp_path: Path,
) -> None:
    with stub_server(tmp_path, removed="own ids") as server:
        assert len(mixed_up(server.port, 200)) >= 198


async def leave_somewhere(port: int, chance: random.Random) -> None:
    """Send some of a request or all of it, wait a moment, and go away."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    request = request_bytes([flower(1.0)])
    whole = chance.random() < 0.7
    writer.write(request if whole else request[: chance.randrange(1, len(request))])
    await asyncio.sleep(chance.random() * 0.1)
    writer.transport.abort()


async def stay(port: int, gone: "asyncio.Event") -> list[bool]:
    """Ask until the others are gone; return whether each answer was right."""
    right: list[bool] = []
    async with connect(port) as connection:
        for turn in itertools.count():
            if gone.is_set():
                return right
            sent = numbered(1, turn)
            reply = await connection.ask(request_bytes([flower(sent)]))
            right.append(reply.status == 200 and reply.body[0]["echo"] == sent)
    return right


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_c26_clients_that_leave_anywhere_leave_nothing_behind(
    tmp_path: Path, count: int
) -> None:
    with stub_server(tmp_path, call_ms=20) as server:
        chance = random.Random(0)

        async def scenario() -> list[bool]:
            gone = asyncio.Event()
            stayed = asyncio.create_task(stay(server.port, gone))
            for _ in range(count // 20):
                leaving = [leave_somewhere(server.port, chance) for _ in range(20)]
                await asyncio.gather(*leaving)
            gone.set()
            return await stayed

        files, tasks = server.file_descriptors(), server.metric("stub_tasks")
        right = asyncio.run(scenario())

        assert all(right)
        assert right
        until(lambda: server.metric("ekiben_rows_in_flight") == 0, PATIENCE)
        check_nothing_is_lost(server)
        until(lambda: abs(server.file_descriptors() - files) <= 3, PATIENCE)
        until(lambda: abs(server.metric("stub_tasks") - tasks) <= 3, PATIENCE)
        told = 'ekiben_requests_total{code="client_gone",status="499",use_case="iris"}'
        unseen = 'ekiben_dropped_requests_total{reason="client_gone",use_case="iris"}'
        assert server.metric(told) >= server.metric(unseen) > 0


@pytest.mark.parametrize("use_case", ["iris", "fraud"])
def test_c28_a_second_call_is_answered_like_the_first(
    either_server: Server, use_case: str
) -> None:
    with httpx.Client(base_url=either_server.url, timeout=60) as client:
        card = client.get("/openapi.json").json()
        name = {"iris": "IrisFlower", "fraud": "Transaction"}[use_case]
        row = card["components"]["schemas"][name]["examples"][0]
        replies = [
            client.post(f"/v1/{use_case}/predict", json={"rows": [row]})
            for _ in range(2)
        ]

    assert [one.status_code for one in replies] == [200, 200]
