"""Requests of one turn of the event loop in one record: whose rows share it, and whose never."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from ekiben.monitoring.entries import Line
from ekiben.monitoring.gathering import MOST_ROWS
from ekiben.monitoring.ids import NUMBERS, split
from ekiben.schemas.spam import Message
from ekiben.use_cases.columns import Columns
from tests.unit.monitoring import test_log_writer


class Bench(test_log_writer.Bench):
    """A log of a worker whose loop runs in `asyncio.run`; it is written when it is stopped."""

    def answer(
        self,
        *texts: str,
        caller: str = "k-1",
        use_case: str = "spam",
        tag: str = "spam:a",
        batch_rows: int = 8,
    ) -> list[str]:
        """Log a request of these *texts* as a worker does, and return its ids."""
        rows = [Message(text=text) for text in texts]
        found = self.log.gathered(use_case, tag, caller, batch_rows, rows)
        assert found is not None
        end = found.rows + len(rows)
        ids = [found.ids + number for number in NUMBERS[found.rows : end]]
        answered = json.dumps([{"label": text} for text in texts]).encode()
        name = f"r-{texts[0]}"
        self.log.join(found, rows, answered, seconds=0.5, request_id=name)
        return ids

    def lines(self) -> list[Line]:
        """Stop the log and return what it has written."""
        self.writer.start()
        self.log.stop(10)
        return self.disk.lines


def turn(*steps: Callable[[], Any]) -> list[Any]:
    """Take *steps* in one turn of an event loop, which then goes on for a few."""

    async def run() -> list[Any]:
        found = [step() for step in steps]
        for _ in range(3):
            await asyncio.sleep(0)
        return found

    coroutine: Coroutine[Any, Any, list[Any]] = run()
    return asyncio.run(coroutine)


def test_requests_of_one_turn_share_a_record() -> None:
    bench = Bench()

    found = turn(lambda: bench.answer("a", "b"), lambda: bench.answer("c"))

    (line,) = bench.lines()
    ids = [split(one) for some in found for one in some]
    assert ids == [(line.key, 0), (line.key, 1), (line.key, 2)]
    assert (line.first, line.rows, line.batch_rows, line.caller) == (0, 3, 8, "k-1")
    assert json.loads(line.asked) == [{"text": text} for text in "abc"]
    assert json.loads(line.answered) == [{"label": text} for text in "abc"]
    assert json.loads(line.requests or "") == [[2, 0.5, "r-a"], [1, 0.5, "r-c"]]
    assert (line.seconds, line.request_id) == (0.5, "r-a")
    assert bench.numbers.rows["written"] == 3


def test_a_request_alone_is_a_record_as_ever() -> None:
    bench = Bench()
    turn(lambda: bench.answer("a"))
    (line,) = bench.lines()
    assert line.requests is None
    assert (line.seconds, line.request_id) == (0.5, "r-a")


def test_the_next_turn_begins_another_record() -> None:
    bench = Bench()

    async def run() -> None:
        bench.answer("a")
        await asyncio.sleep(0.001)
        bench.answer("b")

    asyncio.run(run())
    assert [one.asked for one in bench.lines()] == ['[{"text":"a"}]', '[{"text":"b"}]']


@pytest.mark.parametrize(
    "other",
    [{"caller": "k-2"}, {"tag": "spam:b"}, {"use_case": "ham"}, {"batch_rows": 9}],
    ids=lambda other: next(iter(other)),
)
def test_what_differs_in_more_than_the_request_has_a_record_of_its_own(
    other: dict[str, Any],
) -> None:
    """Who counts up from the ids of his own predictions must not find somebody else's."""
    bench = Bench()
    mine, others, again = turn(
        lambda: bench.answer("a"),
        lambda: bench.answer("b", **other),
        lambda: bench.answer("c"),
    )
    keys = [split(one)[0] for (one,) in (mine, others, again)]
    assert keys[0] == keys[2] != keys[1]
    assert {one.key: one.rows for one in bench.lines()} == {keys[0]: 2, keys[1]: 1}


def test_a_record_gathers_no_more_than_so_many_rows() -> None:
    bench = Bench()
    half = ["x"] * (MOST_ROWS // 2)
    found = turn(
        *[lambda: bench.answer(*half)] * 3, lambda: bench.answer(*["y"] * 1000)
    )
    rows = [one.rows for one in bench.lines()]
    assert rows == [MOST_ROWS, MOST_ROWS // 2]
    assert len({one for some in found for one in some}) == 1000 + 3 * len(half)
    assert bench.numbers.rows["full"] == 1000


def test_rows_that_the_full_queue_refuses_give_their_ids_to_nobody() -> None:
    bench = Bench(limit=3)
    kept, refused, then = turn(
        lambda: bench.answer("a", "b"),
        lambda: bench.answer("c", "d"),
        lambda: bench.answer("e"),
    )
    assert len({*kept, *refused, *then}) == 5
    lines = bench.lines()
    assert [split(kept[0])[0], split(then[0])[0]] == [one.key for one in lines]
    assert [one.rows for one in lines] == [2, 1]
    assert bench.numbers.rows == {"full": 2, "written": 3}


def test_what_is_gathered_when_the_server_stops_is_written() -> None:
    bench = Bench()

    async def run() -> list[Line]:
        bench.answer("a")
        return await asyncio.to_thread(bench.lines)

    (line,) = asyncio.run(run())
    assert line.rows == 1


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ({"closed": True}, [Message(text="a")]),
        ({"share": 0.5}, [Message(text="a")]),
        ({}, Columns(Message, {"text": ["a"]})),
        ({}, Columns(Message, {"text": np.array(["a"])})),
    ],
)
def test_who_waits_is_drawn_or_has_columns_is_alone(
    given: dict[str, Any], rows: Any
) -> None:
    bench = Bench(**given)
    assert turn(lambda: bench.log.gathered("spam", "t", "", 1, rows)) == [None]
