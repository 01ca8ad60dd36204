"""What a soak sends: good, bad, slow and broken-off requests, and swaps between two versions."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from benchmarks.payloads import encode
from ekiben.errors import EkibenError
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Event, Grounds
from ekiben.registry.ledger import Ledger
from ekiben.registry.store import Store
from ekiben.settings import Settings
from ekiben.use_cases.use_case import UseCase

GOOD_CLIENTS = 8
PAUSE = 0.02
"""Seconds a client rests: a soak looks for what grows, not for the limit."""
SWAP_SECONDS = 15.0
SLOW_SECONDS = 3.0
ROW_COUNTS = (1, 1, 1, 1, 10, 10, 100)
EXPLAINED = {(503, "overloaded"), (503, "draining"), (504, "deadline_exceeded")}
BAD_BODIES = (
    b"",
    b"{",
    b"[" * 500,
    b'{"rows": []}',
    b'{"rows": [{}]}',
    b'{"rows": [{"text": NaN}]}',
    b'{"rows": [{"text": "\xff"}]}',
    b'{"rows": [' + b"1," * 5000 + b"1]}",
    b'{"rows": [{"text": "' + b"x" * 100_000 + b'"}]}',
)
Step = Callable[[random.Random], Awaitable[None]]


class Traffic:
    """Sends until its time is over; counts by kind and status, keeps what took how long."""

    def __init__(
        self,
        url: str,
        home: Path,
        use_cases: Sequence[UseCase],
        rng: random.Random,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.unexplained: list[str] = []
        self.times: list[tuple[float, float]] = []
        """When each good request was answered, and how many seconds it took."""
        self.start = time.monotonic()
        self.url = url
        self.home = home
        self._rng = rng
        self._bodies = [
            (f"/v1/{one.name}/predict", encode((one.examples * count)[:count]))
            for one in use_cases
            for count in ROW_COUNTS
            if one.examples
        ]

    async def run(self, seconds: float) -> None:
        """Send everything at once for *seconds*."""
        self.start = time.monotonic()
        steps: list[tuple[Step, float]] = [(self._good, PAUSE)] * GOOD_CLIENTS
        steps += [(self._bad, 0.1), (self._half_open, 0.5), (self._slow, 0.5)] * 2
        steps += [(self._leaves, 0.1), (self._reads, 0.2)]
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as client:
            self._client = client
            tasks = [
                self._repeat(step, pause, random.Random(self._rng.random()), seconds)
                for step, pause in steps
            ]
            await asyncio.gather(*tasks, self._swaps(seconds))

    async def _repeat(
        self, step: Step, pause: float, rng: random.Random, seconds: float
    ) -> None:
        while time.monotonic() - self.start < seconds:
            try:
                await step(rng)
            except (OSError, httpx.TransportError, asyncio.IncompleteReadError) as e:
                self._note(step.__name__.strip("_"), f"no answer: {type(e).__name__}")
            await asyncio.sleep(pause * rng.uniform(0.5, 1.5))

    def _note(self, kind: str, outcome: str) -> None:
        self.counts[f"{kind} {outcome}"] += 1
        if kind in ("good", "reads", "bad") and outcome.startswith("no answer"):
            self.unexplained.append(f"{kind}: {outcome}")

    def _count(self, kind: str, response: httpx.Response, *wanted: int) -> None:
        self._note(kind, str(response.status_code))
        if response.status_code in wanted:
            return
        problem = "problem" in response.headers.get("content-type", "")
        code = response.json()["code"] if problem else ""
        if (response.status_code, code) not in EXPLAINED:
            self.unexplained.append(f"{kind}: {response.status_code} {code}")

    async def _good(self, rng: random.Random) -> None:
        path, body = rng.choice(self._bodies)
        start = time.monotonic()
        response = await self._post(path, body)
        self.times.append((start - self.start, time.monotonic() - start))
        self._count("good", response, 200)

    async def _post(self, path: str, body: bytes) -> httpx.Response:
        kind = {"Content-Type": "application/json"}
        return await self._client.post(path, content=body, headers=kind)

    async def _bad(self, rng: random.Random) -> None:
        path, _ = rng.choice(self._bodies)
        response = await self._post(path, rng.choice(BAD_BODIES))
        self._count("bad", response, 400, 413, 422)

    async def _reads(self, rng: random.Random) -> None:
        names = ("livez", "readyz", "metrics", "v1/models", "v1/models/iris", "nope")
        path = rng.choice(names)
        response = await self._client.get(f"/{path}")
        self._count("reads", response, 404 if path == "nope" else 200)

    async def _half_open(self, rng: random.Random) -> None:
        """Begin a request's head, wait, and go away, or be sent away."""
        await self._raw(b"POST /v1/iris/predict HTTP/1.1\r\nHost: x\r\nX-A:", b"b", rng)
        self._note("half-open", "sent")

    async def _slow(self, rng: random.Random) -> None:
        """Send a body byte by byte, and go away before its end."""
        head = b"POST /v1/spam/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
        await self._raw(head + b"Content-Type: application/json\r\n\r\n", b"[", rng)
        self._note("slow body", "sent")

    async def _raw(self, head: bytes, drop: bytes, rng: random.Random) -> None:
        end = time.monotonic() + rng.uniform(0.2, SLOW_SECONDS)
        with contextlib.suppress(ConnectionError):
            _, writer = await self._connect()
            writer.write(head)
            while time.monotonic() < end:
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(0.2)
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self.url)
        return await asyncio.open_connection(parts.hostname, parts.port)

    async def _leaves(self, rng: random.Random) -> None:
        """Send a whole request, and leave before or while it is answered."""
        path, body = rng.choice(self._bodies)
        _, writer = await self._connect()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        await asyncio.sleep(rng.choice((0.0, 0.001, 0.01)))
        writer.transport.abort()
        self._note("left", "sent")

    async def _swaps(self, seconds: float) -> None:
        """Promote and roll back by turns, until *seconds* have passed."""
        swap = await asyncio.to_thread(two_versions, self.home)
        while time.monotonic() - self.start < seconds - SWAP_SECONDS:
            await asyncio.sleep(SWAP_SECONDS)
            try:
                event = await asyncio.to_thread(swap)
                self._note("swap", event.action)
            except EkibenError as error:
                self._note("swap", "refused")
                self.unexplained.append(f"swap: {error}")


def two_versions(home: Path) -> Callable[[], Event]:
    """Register a second version of iris; return what promotes it and rolls it back by turns.

    It is the first one's estimator again: what is soaked is the swap, not the model.
    """
    url = Settings(home=home).ledger_url
    with LedgerDatabase.opened(url) as database:
        production = database.ledger().production("iris")
    if production is None:
        raise EkibenError(
            "no version of iris is promoted; run `ekiben train --promote`"
        )
    store = Store.at(home)
    manifest, files = store.read(production.tag)
    again = store.register(
        "iris",
        store.load(production.tag).estimator,
        make_card=lambda tag: manifest.card.model_copy(update={"tag": tag}),
        golden=manifest.golden,
        extras={name: one for name, one in files.items() if "/" in name},
    )
    grounds = Grounds(actor="soak")

    def move(ledger: Ledger) -> Ledger:
        seen, now = ledger.last("iris"), datetime.now(UTC)
        found = ledger.production("iris")
        if found is not None and found.tag == again.card.tag:
            return ledger.rollback("iris", grounds, seen=seen, at=now)
        tag, digest = again.card.tag, again.digest
        return ledger.promote("iris", tag, digest, grounds, seen=seen, at=now)

    def swap() -> Event:
        with LedgerDatabase.opened(url) as database:
            return database.append("iris", move)

    return swap
