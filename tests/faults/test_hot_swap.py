"""C-50, C-53: promotions and rollbacks under load lose no request and mix no answer."""

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import pytest

from ekiben.datasets import Table, load
from ekiben.predictor import Predictor, load_predictor, same
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Event, Grounds
from ekiben.registry.store import Store
from ekiben.training import train
from ekiben.use_cases.catalog import get_use_case
from tests.criteria_plugin import Figure
from tests.faults.conftest import PATCHED, home_beside
from tests.servers import PATIENCE, Server, serve
from tests.timing import TooSlow, at_most, measures_time

pytestmark = [pytest.mark.alone, pytest.mark.server]

TURNOVER = get_use_case("turnover")
CYCLES = [5, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(2400)])]
CONNECTIONS = 32
WORKERS = 2
EXTRA = {
    "EKIBEN_MODELS": "turnover",
    "BENTOML_CONFIG_OPTIONS": f"services.ekiben.workers={WORKERS}",
}
BETWEEN_MOVES = 1.9
GRACE = 1.5
"""Seconds after the effective time in which workers may still differ beside clients that
take both processors; 0.5 is promised."""


@dataclass(frozen=True)
class Installation:
    """A store with two versions that differ on every row, and the ledger that moves them."""

    home: Path
    ledger: LedgerDatabase
    predictors: dict[str, Predictor]
    digests: dict[str, str]

    def move(self, tag: str) -> Event:
        grounds = Grounds(actor="test")
        return self.ledger.append(
            "turnover",
            lambda found: found.promote(
                "turnover",
                tag,
                self.digests[tag],
                grounds,
                seen=found.last("turnover"),
                at=datetime.now(UTC),
            ),
        )

    def back(self) -> Event:
        grounds = Grounds(actor="test")
        return self.ledger.append(
            "turnover",
            lambda found: found.rollback(
                "turnover",
                grounds,
                seen=found.last("turnover"),
                at=datetime.now(UTC),
            ),
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("swap")
    store = Store.at(home)
    whole = load(TURNOVER.dataset, cache=home, offline=True)
    tables = (whole, Table(whole.frame.iloc[1000:].reset_index(drop=True), whole.card))
    tags, digests = [], {}
    for table in tables:
        manifest = train(
            TURNOVER,
            table,
            store,
            now=lambda: datetime.now(UTC),
            clock=time.perf_counter,
        )
        tags.append(manifest.card.tag)
        digests[manifest.card.tag] = manifest.digest
    predictors = {tag: load_predictor(store, TURNOVER, tag) for tag in tags}
    url = f"sqlite:///{home / 'ekiben' / 'ledger.db'}"
    with LedgerDatabase.opened(url) as ledger:
        made = Installation(home, ledger, predictors, digests)
        made.move(tags[0])
        yield made


@pytest.fixture(scope="module")
def swapping(installed: Installation) -> Iterator[Server]:
    with serve(installed.home, extra=EXTRA) as running:
        yield running


@dataclass(frozen=True)
class Got:
    """One answer, and when it was asked for and had, by the clock of the ledger."""

    row: dict[str, Any]
    status: int
    prediction: dict[str, Any]
    asked: float
    had: float


async def load_until(
    url: str, rows: list[dict[str, Any]], stop: asyncio.Event, got: list[Got]
) -> None:
    """Ask with CONNECTIONS clients, each its next row when the last is answered."""
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(base_url=url, timeout=30, limits=limits) as client:

        async def one(number: int) -> None:
            while not stop.is_set():
                row = rows[number % len(rows)]
                number += CONNECTIONS
                asked = time.time()
                response = await client.post(
                    "/v1/turnover/predict", json={"rows": [row]}
                )
                body = response.json()
                found = body[0] if response.status_code == 200 else body
                got.append(Got(row, response.status_code, found, asked, time.time()))

        await asyncio.gather(*(one(number) for number in range(CONNECTIONS)))


async def cycle(
    installed: Installation,
    url: str,
    rows: list[dict[str, Any]],
    cycles: int,
) -> tuple[list[Got], list[Event]]:
    """Promote and roll back *cycles* times under load."""
    stop = asyncio.Event()
    got: list[Got] = []
    load_task = asyncio.create_task(load_until(url, rows, stop, got))
    other = list(installed.predictors)[1]
    events = []
    # The version must have been loaded once; a cold one takes seconds, off the path.
    events.append(await asyncio.to_thread(installed.move, other))
    await taken_up(got, other)
    events.append(await asyncio.to_thread(installed.back))
    await asyncio.sleep(BETWEEN_MOVES)
    for _ in range(cycles):
        events.append(await asyncio.to_thread(installed.move, other))
        await asyncio.sleep(BETWEEN_MOVES)
        events.append(await asyncio.to_thread(installed.back))
        await asyncio.sleep(BETWEEN_MOVES)
    stop.set()
    await load_task
    return got, events


async def taken_up(got: list[Got], tag: str) -> None:
    """Wait until all connections, so all workers, are answered by *tag*."""
    limit = time.monotonic() + 3 * PATIENCE
    while {one.prediction.get("model") for one in got[-3 * CONNECTIONS :]} != {tag}:
        assert time.monotonic() < limit, f"{tag} was not taken up"
        await asyncio.sleep(0.1)


def memory(server: Server) -> int:
    """Return the resident bytes of all workers."""
    pages = [
        int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        for pid in server.workers()
    ]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


@measures_time
@pytest.mark.parametrize("cycles", CYCLES, ids="{}-cycles".format)
def test_swaps_under_load_lose_nothing_mix_nothing_and_come_at_their_time(
    installed: Installation, swapping: Server, cycles: int, figure: Figure
) -> None:
    table = load(TURNOVER.dataset, cache=installed.home, offline=True)
    rows = TURNOVER.encoding.rows_of(table.frame.iloc[:200])
    workers = swapping.workers()
    before = memory(swapping)

    got, events = asyncio.run(cycle(installed, swapping.url, rows, cycles))

    assert {one.status for one in got} == {200}
    assert all(is_right(one, installed) for one in got)
    late = lateness(got, events[1:])
    assert swapping.workers() == workers
    grown = memory(swapping) - before
    during, steady = p99(got, events[1:])
    figure("requests", len(got))
    figure("moves", len(events))
    figure("grown, MiB", grown / 2**20)
    figure("p99 near a move, ms", during * 1000)
    figure("p99 else, ms", steady * 1000)
    figure("latest worker, ms", late[-1] * 1000)
    assert grown < 60 * 2**20
    at_most(GRACE, late[-1])


def test_c50_with_the_version_named_too_late_the_mixture_is_noticed(
    installed: Installation, tmp_path: Path
) -> None:
    table = load(TURNOVER.dataset, cache=installed.home, offline=True)
    rows = TURNOVER.encoding.rows_of(table.frame.iloc[:200])
    extra = {**EXTRA, "FAULT": "late-stamp"}
    other = home_beside(installed.home, tmp_path)
    with serve(other, target=PATCHED, extra=extra) as running:
        got, _ = asyncio.run(cycle(installed, running.url, rows, cycles=3))

    assert any(not is_right(one, installed) for one in got)


def p99(got: list[Got], events: list[Event]) -> tuple[float, float]:
    """Return the 99th percentile of the seconds of requests near a swap, and of the others."""
    moments = [event.effective.timestamp() for event in events]
    near: list[float] = []
    far: list[float] = []
    for one in got:
        close = any(moment - 0.1 < one.had < moment + 0.3 for moment in moments)
        if one.asked > moments[0] - 5:
            (near if close else far).append(one.had - one.asked)
    return quantiles(near, n=100)[-1], quantiles(far, n=100)[-1]


def is_right(one: Got, installed: Installation) -> bool:
    """Whether the answer is the one of the version that it names."""
    tag = one.prediction["model"]
    (expected,) = installed.predictors[tag].predict_raw([one.row])
    return all(same(value, one.prediction[key]) for key, value in expected.items())


def lateness(got: list[Got], events: list[Event]) -> list[float]:
    """Return, shortest first, for how long after each move the version before still answered.

    It is told by when such an answer was asked for: later than that it was not begun.
    """
    late = []
    for event, following in zip(events, [*events[1:], None], strict=True):
        start = event.effective.timestamp()
        end = following.effective.timestamp() if following else float("inf")
        within = [one for one in got if one.asked > start and one.had < end]
        if event.to_tag not in {one.prediction["model"] for one in within}:
            raise TooSlow(f"{event.to_tag} did not answer before the next move")
        others = [one for one in within if one.prediction["model"] != event.to_tag]
        late.append(max((one.asked - start for one in others), default=0.0))
    return sorted(late)
