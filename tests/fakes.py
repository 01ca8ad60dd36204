"""Stand-ins for unit tests: they behave like the real thing, smaller."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import Field

from ekiben.schemas.base import Row
from ekiben.serving.cost import Cost


class Number(Row):
    """A row that carries one number."""

    value: Annotated[float, Field(ge=-1e9, le=1e9)]


def numbers(*values: float) -> list[Number]:
    return [Number(value=float(value)) for value in values]


class Doubler:
    """A model that answers each number with its double, and keeps what it was asked."""

    def __init__(
        self, poison: float | None = None, seconds: float = 0.0, tag: str = "double:1"
    ) -> None:
        self.tag = tag
        self.calls: list[list[float]] = []
        self.cost = Cost()
        self._poison = poison
        self._seconds = seconds

    def predict(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        values = [row.value for row in rows]
        self.calls.append(values)
        if self._seconds:
            time.sleep(self._seconds)
        if self._poison in values:
            raise ValueError("poisoned")
        return [{"double": 2 * value} for value in values]


class Held(Doubler):
    """A model in a thread, that answers when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.cost.learn(1, 0.1)
        self.asked = threading.Event()
        self.let = threading.Event()

    def predict(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        self.asked.set()
        assert self.let.wait(10)
        return super().predict(rows)

    async def reached(self) -> None:
        assert await asyncio.to_thread(self.asked.wait, 10)


class Wrong(Doubler):
    """A model whose list of answers is changed on its way out."""

    def __init__(self, change: Callable[[list[Any]], list[Any]]) -> None:
        super().__init__()
        self._change = change

    def predict(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        return self._change(super().predict(rows))


def run(coroutine: Any) -> Any:
    """Run *coroutine* on a fresh event loop, for at most ten seconds."""

    async def limited() -> Any:
        return await asyncio.wait_for(coroutine, 10)

    return asyncio.run(limited())
