"""What the probes say of a worker whose models are loaded."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette

from ekiben.serving.health import KEYS, health_routes
from ekiben.serving.lifecycle import LifeCycle
from ekiben.settings import Settings


@pytest.fixture
def life() -> LifeCycle:
    roster = SimpleNamespace(ready=True, listing=list)
    worker = SimpleNamespace(roster=roster, settings=Settings())
    return LifeCycle(cast(Any, worker), environ={})


@pytest.fixture
def ask(life: LifeCycle) -> Callable[[], httpx.Response]:
    follower = SimpleNamespace(unreachable_since=None)
    routes = health_routes(cast(Any, life._worker.roster), cast(Any, follower), life)
    transport = httpx.ASGITransport(app=Starlette(routes=routes))

    async def one() -> httpx.Response:
        base = "http://ekiben.test"
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.get("/readyz")

    return lambda: asyncio.run(one())


def test_a_server_with_its_models_is_ready(ask: Callable[[], httpx.Response]) -> None:
    assert ask().status_code == 200


def test_one_that_cannot_read_its_keys_is_not(
    ask: Callable[[], httpx.Response], life: LifeCycle
) -> None:
    read: list[str] = []
    life.admits = lambda: bool(read)
    answer = ask()
    assert answer.status_code == 503
    assert answer.json()["code"] == "not_ready"
    assert KEYS in answer.json()["detail"]
    read.append("keys")
    assert ask().status_code == 200
