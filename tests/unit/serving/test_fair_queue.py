"""Who is next, and who is let in."""

import asyncio
from collections.abc import Iterator

import pytest

from ekiben.serving.admission import Admission
from ekiben.serving.fair_queue import FairQueue
from ekiben.serving.jobs import Answer, Job, Piece
from tests.fakes import numbers


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def job(loop: asyncio.AbstractEventLoop, rows: int, caller: str = "") -> Job:
    return Job(numbers(*range(rows)), 0.0, loop.create_future(), caller=caller)


def sizes(pieces: list[Piece]) -> dict[str, int]:
    found: dict[str, int] = {}
    for piece in pieces:
        count = piece.stop - piece.start
        found[piece.job.caller] = found.get(piece.job.caller, 0) + count
    return found


def test_one_caller_is_served_in_order(loop: asyncio.AbstractEventLoop) -> None:
    queue, jobs = FairQueue(), [job(loop, 3) for _ in range(5)]
    for one in jobs:
        queue.push(one)

    assert [piece.job for piece in queue.take(9)] == jobs[:3]
    assert [piece.job for piece in queue.take(9)] == jobs[3:]
    assert not queue
    assert queue.rows == 0


@pytest.mark.parametrize("flood", [1, 20, 1000], ids=lambda rows: f"{rows}-rows-each")
def test_a_flood_leaves_another_caller_its_half_of_a_batch(
    loop: asyncio.AbstractEventLoop, flood: int
) -> None:
    queue = FairQueue()
    for _ in range(3000 // flood):
        queue.push(job(loop, flood, "flood"))
    for _ in range(400):
        queue.push(job(loop, 1, "other"))

    taken = sizes(queue.take(512))

    assert taken["other"] >= 512 // 2 - 64
    assert taken["flood"] >= 512 // 2 - 64


def test_a_caller_with_little_is_in_the_first_batch(
    loop: asyncio.AbstractEventLoop,
) -> None:
    queue = FairQueue()
    for _ in range(3000):
        queue.push(job(loop, 1, "flood"))
    queue.push(job(loop, 1, "other"))

    assert sizes(queue.take(512))["other"] == 1


def test_a_short_request_does_not_wait_for_a_long_one_of_the_same_caller(
    loop: asyncio.AbstractEventLoop,
) -> None:
    queue = FairQueue()
    long, short = job(loop, 1000), job(loop, 1)
    queue.push(long)
    queue.push(short)

    first = queue.take(128)

    assert short in [piece.job for piece in first]
    rest = [piece for _ in range(10) for piece in queue.take(128)]
    pieces = [piece for piece in (*first, *rest) if piece.job is long]
    assert [row for piece in pieces for row in piece.rows] == list(long.rows)
    assert not queue


def test_jobs_that_have_ended_are_passed_over_and_leave_no_rows(
    loop: asyncio.AbstractEventLoop,
) -> None:
    queue = FairQueue()
    for size in (1, 100, 1):
        ended = job(loop, size)
        ended.future.set_result(Answer("x:1", []))
        queue.push(ended)

    assert queue.take(10) == []
    assert queue.rows == 0
    assert not queue


def test_a_caller_alone_fills_most_of_the_limit_and_leaves_room_for_the_next() -> None:
    admission = Admission(1000)
    while admission.has_room("flood", 1):
        admission.enter("flood", 1)

    assert admission.rows == 800
    assert admission.has_room("other", 100)


def test_what_left_makes_room_again() -> None:
    admission = Admission(1000)
    admission.enter("a", 1000)
    assert not admission.has_room("b", 1)

    admission.leave("a", 1000)

    assert admission.has_room("b", 1000)
    assert admission.rows == 0
