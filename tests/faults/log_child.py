"""A process that logs as a worker does, and says on standard output what it has answered.

Used as: python -m tests.faults.log_child JSON_OF_SETTINGS; runs until it is killed. Each
line is an id, written when an answer would be sent; "lost N" is what it found at the start.
With "unsynced" true the log is never synced: a fault of the tests.
"""

import asyncio
import json
import os
import random
import sys
from pathlib import Path

from ekiben.errors import LogUnavailable
from ekiben.monitoring import prediction_log
from ekiben.monitoring.ids import NUMBERS
from ekiben.monitoring.prediction_log import PredictionLog, logged
from ekiben.monitoring.sink import Sink
from ekiben.schemas.iris import IrisFlower
from ekiben.settings import Settings
from tests.logbook import stamped
from tests.oracle import iris_row

ROWS = {"iris": IrisFlower}


class Printed:
    """Tells the lost rows to whoever started this process."""

    def written(self, use_case: str, rows: int) -> None:
        pass

    def dropped(self, use_case: str, reason: str, rows: int) -> None:
        say(f"{reason} {rows}")

    def waiting(self, rows: int) -> None:
        pass

    def flushed(self, seconds: float) -> None:
        pass

    def available(self, is_available: bool) -> None:
        say(f"available {is_available}")


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def run(predictions: PredictionLog, chance: random.Random) -> None:
    while True:
        said = [await answer(predictions, chance) for _ in range(chance.randint(1, 3))]
        for one in filter(None, said):
            say(one)
        await asyncio.sleep(0.0005)


async def answer(predictions: PredictionLog, chance: random.Random) -> str:
    """Log a request, and return the ids of its predictions; none: it is not answered."""
    rows = [IrisFlower(**iris_row(chance)) for _ in range(chance.randint(1, 5))]
    ids, answered = stamped([{"species": "setosa"}] * len(rows), "iris:a")
    gathered = predictions.gathered("iris", "iris:a", "", 3, rows)
    if gathered is not None:
        first = gathered.rows
        predictions.join(gathered, rows, answered, seconds=0.001, request_id="")
        numbers = NUMBERS[first : first + len(rows)]
        return " ".join(gathered.ids + number for number in numbers)
    waiter = predictions.add(
        "iris",
        "iris:a",
        ids,
        rows,
        answered,
        batch_rows=len(rows),
        seconds=0.001,
        request_id="",
        caller="",
    )
    if waiter is not None:
        try:
            await logged(waiter, 30)
        except LogUnavailable:  # a busy machine: the client would be told 503
            return ""
    return " ".join(ids + end for end in NUMBERS[: len(rows)])


def never_synced(url: str, *, durable: bool, wait: float) -> Sink:
    return Sink(url, durable=False, wait=wait)


def main(told: str) -> None:
    given = json.loads(told)
    if given.pop("unsynced", False):
        prediction_log.Sink = never_synced  # type: ignore[attr-defined,assignment]
    settings = Settings.model_validate(given)
    directory = Path(settings.home) / "counts"
    predictions = PredictionLog.start(settings, ROWS, Printed(), directory)
    assert predictions is not None
    asyncio.run(run(predictions, random.Random()))


if __name__ == "__main__":
    main(sys.argv[1])
