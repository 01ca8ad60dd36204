"""The queue and its writer: what is refused, what is tried again, what is given up and counted."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest

from ekiben.errors import LogUnavailable
from ekiben.monitoring import log_writer
from ekiben.monitoring.entries import Encoder, Line
from ekiben.monitoring.log_counts import LogCounts
from ekiben.monitoring.log_queue import LogQueue
from ekiben.monitoring.log_writer import LogWriter, Pace
from ekiben.monitoring.prediction_log import PredictionLog, logged
from ekiben.monitoring.sink import Sink
from ekiben.schemas.spam import Message
from tests.logbook import stamped
from tests.timing import at_most, measures_time


class Disk:
    """A sink that fails as often as it is told, and keeps what is written."""

    def __init__(self) -> None:
        self.failures = 0
        self.lines: list[Line] = []
        self.transactions = 0

    def open(self) -> None:
        pass

    def write(self, lines: Sequence[Line]) -> None:
        if self.failures:
            self.failures -= 1
            raise LogUnavailable("the disk is full")
        self.lines += lines
        self.transactions += 1

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.lines)

    def close(self) -> None:
        pass


class Numbers:
    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.states: list[bool] = []

    def written(self, use_case: str, rows: int) -> None:
        self.rows["written"] += rows

    def dropped(self, use_case: str, reason: str, rows: int) -> None:
        self.rows[reason] += rows

    def waiting(self, rows: int) -> None:
        pass

    def flushed(self, seconds: float) -> None:
        pass

    def available(self, is_available: bool) -> None:
        self.states.append(is_available)


class Bench:
    """A log with a disk that can fail."""

    def __init__(
        self, *, closed: bool = False, limit: int = 1000, share: float = 1.0
    ) -> None:
        self.disk, self.numbers = Disk(), Numbers()
        counts = LogCounts.in_memory(["spam", "ham"])
        self.queue = LogQueue(limit, counts)
        pace = Pace(0.0 if closed else 0.01, closed)
        sink = cast(Sink, self.disk)
        encoder = Encoder()
        self.writer = LogWriter(self.queue, counts, sink, encoder, self.numbers, pace)
        self.log = PredictionLog(
            closed, share, encoder, self.queue, counts, self.writer, self.numbers
        )

    def add(self, rows: int = 1, text: Any = "a") -> "asyncio.Future[None] | None":
        ids, answered = stamped([{"label": "ham"}] * rows, "spam:a")
        return self.log.add(
            "spam",
            "spam:a",
            ids,
            [Message.model_construct(text=text)] * rows,
            answered,
            batch_rows=rows,
            seconds=0.1,
            request_id="r",
            caller="",
        )


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "BACKOFF_SECONDS", (0.01,))
    monkeypatch.setattr(log_writer, "TICK_SECONDS", 0.001)


@pytest.fixture
def make() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def bench(**given: Any) -> Bench:
        made.append(Bench(**given))
        return made[-1]

    yield bench
    for one in made:
        one.log.stop(1)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_what_is_added_is_written_in_few_transactions(
    make: Callable[..., Bench],
) -> None:
    bench = make()
    for _ in range(50):
        bench.add(3)
    bench.writer.start()
    until(lambda: bench.numbers.rows["written"] == 150)
    assert bench.disk.rows == 150
    assert bench.queue.rows == 0
    assert bench.disk.transactions <= 3


def test_while_the_disk_fails_all_is_kept_and_then_written_once(
    make: Callable[..., Bench],
) -> None:
    bench = make()
    bench.disk.failures = 3
    bench.writer.start()
    bench.add(2)
    until(lambda: bench.numbers.states == [False, True])
    assert bench.disk.rows == 2
    assert bench.queue.rows == 0
    assert bench.numbers.rows == {"written": 2}


def test_what_finds_no_room_is_counted_and_the_rest_is_not(
    make: Callable[..., Bench],
) -> None:
    bench = make(limit=10)
    for _ in range(4):
        bench.add(3)
    assert bench.numbers.rows == {"full": 3}
    bench.writer.start()
    until(lambda: bench.queue.rows == 0)
    bench.add(3)
    until(lambda: bench.disk.rows == 12)


def test_a_row_without_a_form_is_counted_and_stops_nobody(
    make: Callable[..., Bench],
) -> None:
    bench = make()
    bench.add(text=object())
    bench.add()
    bench.writer.start()
    until(lambda: bench.numbers.rows.total() == 2)
    assert bench.numbers.rows == {"unwritable": 1, "written": 1}
    assert bench.queue.rows == 0


def test_a_first_look_that_fails_in_an_unknown_way_does_not_end_the_log(
    make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    bench = make()
    monkeypatch.setattr(bench.disk, "open", fail)
    bench.writer.start()
    bench.add()
    until(lambda: bench.queue.rows == 0)
    assert len(bench.disk.lines) == 1


def test_stopping_writes_what_waits(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.writer.start()
    for _ in range(10):
        bench.add()
    bench.log.stop(5)
    assert len(bench.disk.lines) == 10
    bench.log.stop(5)


@measures_time
def test_stopping_gives_up_in_time_when_the_disk_fails(
    make: Callable[..., Bench],
) -> None:
    bench = make()
    bench.disk.failures = 10**9
    bench.writer.start()
    bench.add()
    began = time.monotonic()
    bench.log.stop(0.2)
    took = time.monotonic() - began
    assert bench.queue.rows == 1
    at_most(3, took)


def test_closed_an_answer_waits_for_its_rows_or_is_refused(
    make: Callable[..., Bench],
) -> None:
    bench = make(closed=True)
    bench.writer.start()

    async def ask() -> None:
        waiter = bench.add()
        assert waiter is not None
        await logged(waiter, 10)
        assert len(bench.disk.lines) == 1
        bench.disk.failures = 1
        waiter = bench.add()
        assert waiter is not None
        with pytest.raises(LogUnavailable, match="full"):
            await logged(waiter, 10)
        waiter = bench.add()
        assert waiter is not None
        await logged(waiter, 10)

    asyncio.run(ask())
    assert len(bench.disk.lines) == 2
    assert bench.queue.rows == 0
    assert bench.numbers.rows == {"written": 2}


def test_closed_what_finds_no_room_is_refused(make: Callable[..., Bench]) -> None:
    bench = make(closed=True, limit=2)

    async def ask() -> None:
        with pytest.raises(LogUnavailable, match="too many"):
            bench.add(3)

    asyncio.run(ask())


def test_closed_who_was_told_no_has_no_record(make: Callable[..., Bench]) -> None:
    bench = make(closed=True)

    async def ask() -> None:
        waiter = bench.add()
        assert waiter is not None
        with pytest.raises(LogUnavailable, match="too long"):
            await logged(waiter, 0.01)
        bench.writer.start()
        other = bench.add()
        assert other is not None
        await logged(other, 10)

    asyncio.run(ask())
    assert len(bench.disk.lines) == 1


def test_a_share_leaves_requests_out(make: Callable[..., Bench]) -> None:
    bench = make()
    draws = iter([0.05, 0.5, 0.09])
    bench.log = PredictionLog(
        False,
        0.1,
        Encoder(),
        bench.queue,
        LogCounts.in_memory(["spam"]),
        bench.writer,
        bench.numbers,
        lambda: next(draws),
    )
    for _ in range(3):
        bench.add()
    assert bench.queue.rows == 2
    bench.writer.start()


def test_a_fault_of_ours_is_counted_and_ends_no_thread(
    make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make()
    write = bench.disk.write

    def fail_once(lines: Sequence[Line]) -> None:
        monkeypatch.setattr(bench.disk, "write", write)
        raise ZeroDivisionError

    monkeypatch.setattr(bench.disk, "write", fail_once)
    bench.writer.start()
    bench.add()
    until(lambda: bench.numbers.rows["unwritable"] == 1)
    bench.add()
    until(lambda: bench.numbers.rows["written"] == 1)


def test_the_queue_hands_out_in_order() -> None:
    queue = LogQueue(10, LogCounts.in_memory(["spam"]))
    for number in range(3):
        ids, answered = stamped([{"label": "ham"}], "spam:a")
        row = Message(text=str(number))
        entry = Encoder().entry("spam", "t", 0, ids, [row], answered, 1, 0.1, "", "")
        assert queue.accept("spam", 1)
        queue.put(entry)
    found = [queue.take() for _ in range(4)]
    texts = [json.loads(Line._make(one[0]).asked)[0]["text"] for one in found if one]
    assert texts == ["0", "1", "2"]
    assert found[3] is None
