"""C-23, C-24, C-25, C-27: what cannot be answered in time is refused at once, and nothing else suffers."""

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.criteria_plugin import Figure
from tests.faults.raw_client import (
    OpenLoop,
    Reply,
    StubServer,
    closed_loop,
    connect,
    flower,
    p99,
    quantile99,
    request_bytes,
    stub_server,
)
from tests.servers import serve
from tests.timing import at_most, measures_time

pytestmark = [pytest.mark.alone, pytest.mark.server]

ONE = request_bytes([flower(1.0)])
ROW_MS = 10.0
"""Makes the model, not the load's own client, what limits the server."""
TIMES = 10


@pytest.fixture
def costly(tmp_path: Path) -> Iterator[StubServer]:
    with stub_server(tmp_path, row_ms=ROW_MS, settings={"queue_ms": 500}) as running:
        yield running


@measures_time
@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(6, id="6-seconds"),
        pytest.param(60, id="60-seconds", marks=pytest.mark.slow),
    ],
)
def test_c23_ten_times_the_capacity_is_refused_fast_and_the_rest_answered(
    costly: StubServer, seconds: int, figure: Figure
) -> None:
    async def scenario() -> tuple[list[Reply], OpenLoop, list[Reply], float]:
        worked.append(costly.cpu_seconds())
        before = await closed_loop(costly.port, ONE, 4, 3)
        worked.append(costly.cpu_seconds())
        flood = OpenLoop(costly.port, ONE)
        rate = TIMES * len(before) / 3
        flooding = asyncio.create_task(flood.run(rate, seconds))
        await asyncio.sleep(seconds / 2)
        held = await asyncio.to_thread(costly.metric, "ekiben_rows_in_flight")
        await flooding
        worked.append(costly.cpu_seconds())
        await asyncio.sleep(2)
        after = await closed_loop(costly.port, ONE, 4, 3)
        return before, flood, after, held

    worked: list[float] = []
    before, flood, after, held = asyncio.run(scenario())

    answered = [one for one in flood.replies if one.status == 200]
    refused = [one for one in flood.replies if one.status != 200]
    capacity, rate = len(before) / 3, len(answered) / seconds
    late = quantile99(flood.late)
    figure("capacity, requests/s", capacity)
    figure("offered", len(flood.replies) / seconds)
    figure("answered", rate)
    figure("p99 of refusals, ms", p99(refused) * 1000)
    figure("client late, ms", late * 1000)
    figure("p99 before, ms", p99(before) * 1000)
    figure("p99 after, ms", p99(after) * 1000)
    assert {one.status for one in refused} == {503}
    assert all(1 <= int(one.headers["retry-after"]) <= 5 for one in refused)
    assert 0 < held <= 2 * 500 / ROW_MS
    assert {one.status for one in after} <= {200, 503}
    check_nothing_is_lost(costly)
    # Where others take the processors for a while, what waits is too much once more.
    at_most(0, [one.status for one in after].count(503))
    at_most(0.1 + 2 * late, p99(refused))
    # Per second of the server's processor time: others on this machine take from both.
    steady = len(before) / (worked[1] - worked[0])
    goodput = len(answered) / (worked[2] - worked[1])
    at_most(1 / 0.8, steady / goodput)
    at_most(3 + 2 * late, p99(answered))
    at_most(2 * p99(before) + 0.1, p99(after))


def check_nothing_is_lost(server: StubServer) -> None:
    """Check the fourth oracle: admitted = answered + refused, once nothing is in flight."""
    time.sleep(0.3)
    assert server.metric("ekiben_rows_in_flight") == 0
    admitted = server.metric("ekiben_admitted_requests_total")
    ended = server.metric("ekiben_answered_requests_total") + server.metric(
        "ekiben_refused_requests_total"
    )
    assert admitted == ended > 0


@measures_time
def test_c24_a_deadline_that_the_queue_outlasts_is_told_before_the_model_runs(
    tmp_path: Path,
) -> None:
    # The call outlasts whatever holds the client up; its cost alone refuses nobody.
    settings = {"queue_ms": 20_000}
    with stub_server(tmp_path, call_ms=3000, settings=settings) as server:

        async def scenario() -> tuple[Reply, list[Reply]]:
            async with connect(server.port) as first, connect(server.port) as second:
                busy = asyncio.create_task(first.ask(ONE))
                await asyncio.sleep(0.2)
                late = request_bytes([flower(2.0)], X_Deadline_Ms="50")
                told = [await second.ask(late) for _ in range(5)]
                return await busy, told

        answered, told = asyncio.run(scenario())

        assert answered.status == 200
        assert {one.status for one in told} == {504}
        assert {one.body["code"] for one in told} == {"deadline_exceeded"}
        assert server.metric("ekiben_batch_rows_count") == 1
        check_nothing_is_lost(server)
        at_most(0.3, max(one.seconds for one in told))


@measures_time
def test_c25_calls_that_outlast_their_deadline_leave_no_thread_and_no_work_behind(
    tmp_path: Path,
) -> None:
    with stub_server(tmp_path, call_ms=500) as server:

        async def scenario() -> tuple[int, list[Reply], int, float, Reply]:
            async with connect(server.port) as connection:
                await connection.ask(ONE)
                threads, worked = server.threads(), server.cpu_seconds()
                late = request_bytes([flower(2.0)], X_Deadline_Ms="100")
                told = await asyncio.gather(
                    *(ask(server.port, late) for _ in range(20))
                )
                # The next answer comes after all work that was left behind.
                after = await connection.ask(ONE)
                await asyncio.sleep(0.5)
                worked = server.cpu_seconds() - worked
                return threads, told, server.threads(), worked, after

        threads, told, left, worked, after = asyncio.run(scenario())

        assert {one.status for one in told} == {504}
        assert left <= threads + 1
        assert after.status == 200
        check_nothing_is_lost(server)
        # One call was under way when the deadlines passed, one answers the last request.
        at_most(3 * 0.5, worked)


def test_c25_without_our_dispatcher_bentoml_keeps_a_thread_for_every_late_call(
    tmp_path: Path,
) -> None:
    with serve(tmp_path, target="tests.faults.plain_service:Plain") as server:
        url, late = f"{server.url}/sleep", {"seconds": 15}
        assert httpx.post(url, json={"seconds": 0}).status_code == 200
        (worker,) = server.workers()
        before = threads_of(worker)
        told = [httpx.post(url, json=late, timeout=30) for _ in range(5)]
        assert {one.status_code for one in told} == {504}
        # All have been told that it is over, and all of it goes on.
        assert threads_of(worker) > before + 1


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


async def ask(port: int, request: bytes) -> Reply:
    async with connect(port) as connection:
        return await connection.ask(request)


def test_c23_a_server_that_was_held_up_refuses_nobody_after_it(tmp_path: Path) -> None:
    large = request_bytes([flower(1.0)] * 1000)

    async def held_up(server: StubServer) -> tuple[list[Reply], ...]:
        async def stop_often() -> list[Reply]:
            for _ in range(5):
                await asyncio.sleep(0.3)
                server.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(0.3)
                server.process.send_signal(signal.SIGCONT)
            return []

        return await asyncio.gather(
            closed_loop(server.port, ONE, 8, 5),
            closed_loop(server.port, large, 2, 5),
            stop_often(),
        )

    with stub_server(tmp_path, call_ms=2, row_ms=0.02) as server:
        replies = asyncio.run(held_up(server))

    assert {one.status for some in replies for one in some} == {200}


@measures_time
def test_c27_singles_beside_requests_of_a_thousand_rows_wait_little(
    tmp_path: Path, figure: Figure
) -> None:
    many = [flower(1 + number % 1000 / 50) for number in range(1000)]
    large = request_bytes(many)

    async def mixed(server: StubServer) -> tuple[list[Reply], list[Reply], list[Reply]]:
        alone = await closed_loop(server.port, ONE, 8, 3)
        singles, thousands = await asyncio.gather(
            closed_loop(server.port, ONE, 8, 3), closed_loop(server.port, large, 2, 3)
        )
        return alone, singles, thousands

    def measured(home: Path, **settings: float) -> tuple[float, float]:
        with stub_server(home, call_ms=2, row_ms=0.02, settings=settings) as server:
            alone, singles, thousands = asyncio.run(mixed(server))
        assert {one.status for one in (*singles, *thousands)} == {200}
        for one in thousands:
            assert [p["echo"] for p in one.body] == [r["sepal_length"] for r in many]
        return p99(alone), p99(singles)

    alone, beside = measured(tmp_path)

    figure("p99 of singles alone, ms", alone * 1000)
    figure("beside 1,000 rows, ms", beside * 1000)
    at_most(3 * alone + 0.005, beside)
