"""A thousand concurrent mixed requests, each answer checked against the offline prediction."""

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ekiben.predictor import Predictor, load_predictor, same
from ekiben.registry.store import Store
from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.use_case import UseCase
from tests.models import Trainings
from tests.servers import Server

pytestmark = pytest.mark.server

REQUESTS = 1000
MOST_ROWS = 20
PATIENCE = 30
"""A client that is told to come later comes so often."""


@dataclass(frozen=True)
class Asked:
    """What one client sent, and what came back."""

    use_case: UseCase
    rows: list[dict[str, Any]]
    response: httpx.Response


def requests(trainings: Trainings) -> list[tuple[UseCase, list[dict[str, Any]]]]:
    """Return the use case and the rows of every request, all rows real ones."""
    chance = random.Random(0)
    pools = {
        one.name: one.encoding.rows_of(trainings.table(one.name).frame)
        for one in USE_CASES
    }
    mixed = []
    for _ in range(REQUESTS):
        use_case = chance.choice(USE_CASES)
        count = chance.choice((1, 1, 1, 2, 5, MOST_ROWS))
        mixed.append((use_case, chance.choices(pools[use_case.name], k=count)))
    return mixed


async def ask_all(
    server: Server, asked: list[tuple[UseCase, list[dict[str, Any]]]]
) -> list[Asked]:
    limits = httpx.Limits(max_connections=REQUESTS)
    async with httpx.AsyncClient(
        base_url=server.url, headers=server.headers, timeout=60, limits=limits
    ) as client:

        async def ask(use_case: UseCase, rows: list[dict[str, Any]]) -> Asked:
            path = f"/v1/{use_case.name}/predict"
            for _ in range(PATIENCE):
                response = await client.post(path, json={"rows": rows})
                if response.status_code != 503:
                    break
                # More than a second of work at once, to a slow machine.
                await asyncio.sleep(int(response.headers["retry-after"]))
            return Asked(use_case, rows, response)

        return list(await asyncio.gather(*(ask(*one) for one in asked)))


def test_a_thousand_concurrent_requests_get_the_answers_of_their_own_rows(
    either_server: Server, home: Path, trainings: Trainings
) -> None:
    answered = asyncio.run(ask_all(either_server, requests(trainings)))

    assert {one.response.status_code for one in answered} == {200}
    store = Store.at(home)
    offline: dict[str, Predictor] = {}
    ids: set[str] = set()
    for one in answered:
        predictions = one.response.json()
        tag = one.response.headers["x-model"]
        if tag not in offline:
            offline[tag] = load_predictor(store, one.use_case, tag)
        expected = offline[tag].predict_raw(one.rows)
        for fields, prediction in zip(expected, predictions, strict=True):
            assert prediction.pop("model") == tag
            ids.add(prediction.pop("prediction_id"))
            assert same(fields, prediction)
    assert len(ids) == sum(len(one.rows) for one in answered)
