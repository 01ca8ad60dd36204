"""A steady stream of predict requests, and a probe that asks 20 times a second."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.background import Background

IRIS = {
    "sepal_length": 5.1,
    "sepal_width": 3.5,
    "petal_length": 1.4,
    "petal_width": 0.2,
}


@dataclass(frozen=True)
class Outcome:
    """What came of one request: its status, or 0 when the connection failed."""

    at: float
    status: int
    body: Any
    tries: int = 1

    @property
    def code(self) -> str:
        """The refusal's code."""
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""


@dataclass
class Traffic(Background):
    """Asks for the species of one flower *rate* times a second, each on its own time."""

    url: str
    rate: float
    tries: int = 1
    key: str = ""
    outcomes: list[Outcome] = field(default_factory=list)

    def run(self) -> None:
        """Ask until the block ends."""
        asyncio.run(self._ask_all())

    def since(self, moment: float) -> list[Outcome]:
        """Return what was asked after *moment*."""
        return [one for one in self.outcomes if one.at >= moment]

    async def _ask_all(self) -> None:
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=32)
        async with httpx.AsyncClient(limits=limits, timeout=30) as client:
            tasks = []
            began, number = time.monotonic(), 0
            while not self.ending.is_set():
                tasks.append(asyncio.create_task(self._one(client)))
                number += 1
                due = began + number / self.rate
                await asyncio.sleep(max(due - time.monotonic(), 0))
            await asyncio.gather(*tasks)

    async def _one(self, client: httpx.AsyncClient) -> None:
        at, outcome = time.monotonic(), None
        for attempt in range(1, self.tries + 1):
            outcome = await self._ask(client, at, attempt)
            if outcome.status == 200:
                break
            await asyncio.sleep(0.1 * attempt)
        if outcome:
            self.outcomes.append(outcome)

    async def _ask(self, client: httpx.AsyncClient, at: float, tries: int) -> Outcome:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else None
        try:
            found = await client.post(
                f"{self.url}/v1/iris/predict", json={"rows": [IRIS]}, headers=headers
            )
        except httpx.TransportError as error:
            return Outcome(at, 0, {"code": type(error).__name__}, tries)
        with suppress(ValueError):
            return Outcome(at, found.status_code, found.json(), tries)
        return Outcome(at, found.status_code, {"code": "no JSON"}, tries)


@dataclass
class Probe(Background):
    """Asks for *path* 20 times a second, and keeps each change of the answer."""

    url: str
    path: str
    seen: list[tuple[float, str]] = field(default_factory=list)

    @property
    def answers(self) -> Sequence[str]:
        """The answers in order, each change once: ready, alive, a code, or silent."""
        return [answer for _, answer in self.seen]

    def run(self) -> None:
        """Ask until the block ends."""
        while not self.ending.wait(0.05):
            answer = self._ask()
            if not self.seen or self.seen[-1][1] != answer:
                self.seen.append((time.monotonic(), answer))

    def _ask(self) -> str:
        try:
            found = httpx.get(self.url + self.path, timeout=2).json()
        except httpx.TransportError:
            return "silent"
        return str(found.get("code") or found["status"])
