"""C-32, C-33, C-38: keys under load, on a real server of two workers."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from ekiben.access.database import KeyDatabase
from ekiben.access.pepper import pepper_of
from ekiben.access.quotas import DAY_SECONDS
from ekiben.access.rates import Rate
from ekiben.serving.access_follower import POLL_SECONDS
from ekiben.settings import Settings
from tests.access import made
from tests.criteria_plugin import Figure
from tests.servers import PATIENCE, Server, serve

pytestmark = [pytest.mark.alone, pytest.mark.server]

WORKERS = 2
AT_MOST = 5.0
"""Seconds until every worker knows a new key, and that an old one is dead."""
FLOWER = {
    "sepal_length": 5.1,
    "sepal_width": 3.5,
    "petal_length": 1.4,
    "petal_width": 0.2,
}


@dataclass(frozen=True)
class Shop:
    """A server that asks for keys, and the database that they are in."""

    server: Server
    keys: KeyDatabase
    home: Path

    def key(self, **facts: Any) -> tuple[str, str]:
        """Keep a new key and return its id and itself."""
        pepper = pepper_of(Settings(home=self.home))
        key, secret = made(
            "predict", "read", now=datetime.now(UTC), pepper=pepper, **facts
        )
        self.keys.add(key)
        return key.id, secret

    def settle(self) -> None:
        """Wait until every worker knows the keys made so far: until it knows another.

        It takes four looks of a worker: one that is quicker may answer all that come.
        """
        _, secret = self.key()
        headers, until = {"Authorization": f"Bearer {secret}"}, time.time() + PATIENCE
        in_a_row = 0
        while in_a_row < 8 * WORKERS:
            # Each on a connection of its own, so that it meets either worker.
            answer = httpx.get(f"{self.server.url}/v1/models", headers=headers)
            in_a_row = in_a_row + 1 if answer.status_code == 200 else 0
            assert time.time() < until, answer.text
            time.sleep(4 * POLL_SECONDS / (8 * WORKERS))


@contextmanager
def shop_of(home: Path, path: Path, **extra: str) -> Iterator[Shop]:
    (path / "models").symlink_to(home / "models")
    (path / "ekiben").symlink_to(home / "ekiben")
    settings = {
        "EKIBEN_AUTH": "required",
        "EKIBEN_MODELS": "iris",
        "BENTOML_CONFIG_OPTIONS": f"services.ekiben.workers={WORKERS}",
        **extra,
    }
    with (
        KeyDatabase.opened(Settings(home=path).ledger_url) as keys,
        serve(path, extra=settings) as running,
    ):
        yield Shop(running, keys, path)


@pytest.fixture(scope="module")
def shop(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop_of(home, tmp_path_factory.mktemp("shop")) as opened:
        yield opened


@dataclass(frozen=True)
class Got:
    """One answer, and when it was asked for and had."""

    key: str
    status: int
    asked: float
    had: float
    retry_after: str | None
    seconds: float


def flower(number: int) -> dict[str, float]:
    """Return a flower that no other *number* has, as a scan asks for."""
    return FLOWER | {"petal_length": 0.001 + number % 29_000 / 1000}


async def ask(
    client: httpx.AsyncClient, key: str, rows: int = 1, first: int = 0
) -> Got:
    asked, start = time.time(), time.perf_counter()
    answer = await client.post(
        "/v1/iris/predict",
        json={"rows": [flower(first + number) for number in range(rows)]},
        headers={"Authorization": f"Bearer {key}"},
    )
    had, took = time.time(), time.perf_counter() - start
    retry = answer.headers.get("Retry-After")
    return Got(key, answer.status_code, asked, had, retry, took)


def client_of(shop: Shop) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=shop.server.url, timeout=30)


async def load(
    clients: Sequence[httpx.AsyncClient],
    key: str,
    *,
    until: Callable[[], bool],
    pause: float = 0.0,
) -> list[Got]:
    """Ask over and over with all *clients* at once."""
    got: list[Got] = []

    async def one(client: httpx.AsyncClient) -> None:
        while not until():
            got.append(await ask(client, key))
            await asyncio.sleep(pause)

    await asyncio.gather(*map(one, clients))
    return got


async def connected(shop: Shop, key: str, count: int) -> list[httpx.AsyncClient]:
    """Return clients whose open connections are with every worker."""
    for _ in range(20):
        clients = [client_of(shop) for _ in range(count)]
        # A worker that is busy leaves the next connections to the others.
        await asyncio.gather(*(ask(one, key, rows=1000) for one in clients))
        if reached(shop.server) == WORKERS:
            return clients
        await asyncio.gather(*(one.aclose() for one in clients))
    raise AssertionError("one worker takes all connections")


def reached(server: Server) -> int:
    """Return how many of the workers have connections now."""
    return sum(
        any(
            one.status == "ESTABLISHED" for one in psutil.Process(pid).net_connections()
        )
        for pid in server.workers()
    )


def flood(
    shop: Shop, flooding: str, normal: str, seconds: float
) -> tuple[list[Got], list[Got]]:
    """Let one key flood while another asks as it always does."""

    async def both() -> tuple[list[Got], list[Got]]:
        many = [client_of(shop) for _ in range(8)]
        few = [client_of(shop) for _ in range(4)]
        end = time.monotonic() + seconds
        over = lambda: time.monotonic() > end  # noqa: E731
        return await asyncio.gather(
            load(many, flooding, until=over), load(few, normal, until=over, pause=0.2)
        )

    return asyncio.run(both())


@pytest.mark.parametrize("seconds", [5, pytest.param(30, marks=pytest.mark.slow)])
def test_c32_a_flooding_key_is_told_to_wait_and_another_loses_nothing(
    shop: Shop, seconds: float, figure: Figure
) -> None:
    rate = 20
    _, flooding = shop.key(rate=Rate(rate, 1.0))
    _, normal = shop.key(rate=Rate(rate, 1.0))
    shop.settle()

    flooded, asked = flood(shop, flooding, normal, seconds)

    answered = sum(one.status == 200 for one in flooded)
    refused = [one for one in flooded if one.status != 200]
    figure("of a flood answered", answered)
    figure("refused", len(refused))
    figure("slowest beside it, s", max(one.seconds for one in asked))
    assert {one.status for one in refused} == {429}
    assert {one.retry_after for one in refused} == {"1"}
    lasted = max(one.had for one in flooded) - min(one.asked for one in flooded)
    assert answered <= WORKERS * rate * (lasted + 2)
    assert asked
    assert {one.status for one in asked} == {200}


def test_c32_whoever_waits_as_it_was_told_is_answered(shop: Shop) -> None:
    _, key = shop.key(rate=Rate(20, 60.0))
    shop.settle()

    async def one_connection() -> tuple[Got, Got]:
        async with httpx.AsyncClient(base_url=shop.server.url, timeout=30) as client:
            # On a busy machine some come back while the first are asked.
            asked = [await ask(client, key) for _ in range(20)]
            assert {one.status for one in asked} == {200}
            refused = asked[-1]
            while refused.status == 200:
                refused = await ask(client, key)
            assert refused.status == 429
            await asyncio.sleep(int(refused.retry_after or 0))
            return refused, await ask(client, key)

    refused, later = asyncio.run(one_connection())
    assert 1 <= int(refused.retry_after or 0) <= 3
    assert later.status == 200


def metric(shop: Shop, key: str, name: str) -> float:
    with shop.server.client() as client:
        text = client.get("/metrics", headers={"Authorization": f"Bearer {key}"}).text
    values = [line for line in text.splitlines() if line.startswith(name)]
    return sum(float(line.rpartition(" ")[2]) for line in values)


def test_c33_a_scan_is_stopped_at_its_rows_of_the_day_in_every_worker(
    shop: Shop, figure: Figure
) -> None:
    quota, rows = 5_000, 50
    _, scanning = shop.key(rows_per_day=quota)
    _, normal = shop.key()
    shop.settle()
    if DAY_SECONDS - time.time() % DAY_SECONDS < 60:
        time.sleep(60)  # midnight is a new quota

    async def scan(requests: int, first: int) -> list[Got]:
        got = []
        for number in range(requests):  # every request on a connection of its own
            async with httpx.AsyncClient(base_url=shop.server.url) as client:
                start = first + number * rows  # no row is asked for twice
                got.append(await ask(client, scanning, rows, start))
            await asyncio.sleep(0.05)
        return got

    got = asyncio.run(scan(2 * quota // rows, 0))
    until = time.monotonic() + PATIENCE
    while 200 in {one.status for one in got[-10:]} and time.monotonic() < until:
        got += asyncio.run(scan(10, rows * len(got)))
    after = asyncio.run(scan(10, rows * len(got)))

    answered = rows * sum(one.status == 200 for one in got)
    figure("rows of a quota answered", f"{answered} of {quota}")
    # What both workers answer between two reports may be too much, by some requests.
    assert quota <= answered <= quota + 40 * rows
    assert {one.status for one in after} == {429}
    for one in after:
        at_most = DAY_SECONDS - one.asked % DAY_SECONDS
        waited = one.had - one.asked
        assert at_most - waited - 2 < int(one.retry_after or 0) < at_most + 2
    assert metric(shop, normal, "ekiben_quota_refusals_total") >= len(after)
    assert 'level": "WARNING"' in shop.server.output.read_text()


def test_c38_a_rotated_key_works_and_a_revoked_one_dies_in_every_worker_under_load(
    shop: Shop, figure: Figure
) -> None:
    old_id, old = shop.key()
    shop.settle()
    moments: dict[str, float] = {}

    async def rotate() -> tuple[list[Got], list[Got]]:
        over = False
        stop = lambda: over  # noqa: E731
        clients = await connected(shop, old, 16)
        with_old = asyncio.create_task(load(clients[::2], old, until=stop, pause=0.1))
        await asyncio.sleep(1)
        _, new = await asyncio.to_thread(shop.key)
        moments["created"] = time.time()
        with_new = asyncio.create_task(load(clients[1::2], new, until=stop, pause=0.1))
        await asyncio.sleep(AT_MOST)
        # A worker may know of it before this process goes on.
        moments["revoking"] = time.time()
        await asyncio.to_thread(shop.keys.revoke, old_id, datetime.now(UTC))
        moments["revoked"] = time.time()
        await asyncio.sleep(AT_MOST + 1)
        over = True
        return await with_old, await with_new

    by_old, by_new = asyncio.run(rotate())

    created, revoked = moments["created"], moments["revoked"]
    last_old = max(one.asked for one in by_old if one.status == 200)
    late = [one.asked for one in by_new if one.status != 200]
    figure("a new key worked after, s", max(late, default=created) - created)
    figure("a revoked one died after, s", last_old - revoked)
    before = {one.status for one in by_old if one.had < moments["revoking"]}
    assert before == {200}
    # A machine so busy that one answer takes seconds reads the keys later, too.
    limit = AT_MOST + 2 * max(one.seconds for one in (*by_old, *by_new))
    assert {one.status for one in by_new if one.asked > created + limit} == {200}
    assert last_old < revoked + limit
    assert {one.status for one in by_old} == {200, 401}
    assert {one.status for one in by_new} <= {200, 401}


def test_an_expired_key_dies_at_its_time_in_every_worker(shop: Shop) -> None:
    _, other = shop.key()
    shop.settle()

    async def ask_until_after_the_end() -> tuple[list[Got], float, float]:
        clients = await connected(shop, other, 8)
        # It ends between the two: to keep a key may take a moment.
        earliest = time.time() + 10
        _, key = await asyncio.to_thread(shop.key, life=timedelta(seconds=10))
        latest = time.time() + 10
        over = lambda: time.time() > latest + 4  # noqa: E731
        got = await load(clients, key, until=over, pause=0.05)
        return got, earliest, latest

    got, earliest, latest = asyncio.run(ask_until_after_the_end())

    first = min(one.asked for one in got if one.status == 200)
    before = [one.status for one in got if first + AT_MOST < one.had < earliest - 0.2]
    assert set(before) <= {200}
    assert {one.status for one in got if one.asked > latest + 0.2} == {401}


def test_the_body_of_a_refusal_by_quota_says_so(shop: Shop) -> None:
    _, key = shop.key(rows_per_day=1)
    shop.settle()
    with shop.server.client() as client:
        answer = client.post(
            "/v1/iris/predict",
            content=json.dumps({"rows": [FLOWER, FLOWER]}),
            headers={
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
            },
        )

    assert answer.status_code == 429
    assert answer.json()["code"] == "rate_limited"
    assert "today, UTC" in answer.json()["detail"]
