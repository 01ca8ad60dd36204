"""An open loop sends at its times, whatever the answers do."""

import pytest

from benchmarks.open_loop import Schedule, content_length


@pytest.mark.parametrize(
    ("elapsed", "due"),
    [
        pytest.param(-0.1, 0, id="before"),
        pytest.param(0.0, 1, id="start"),
        pytest.param(0.05, 1, id="between"),
        pytest.param(0.1, 2, id="second"),
        pytest.param(9.0, 20, id="after-the-end"),
    ],
)
def test_requests_are_due_at_even_distances(elapsed: float, due: int) -> None:
    assert Schedule(rate=10, seconds=2).due(elapsed) == due


def test_a_request_is_due_at_its_time() -> None:
    schedule = Schedule(rate=8, seconds=1)

    assert [schedule.at(n) for n in (0, 1, 7)] == [0, 0.125, 0.875]


@pytest.mark.parametrize(
    ("head", "length"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nA: b", 12, id="stated"),
        pytest.param(b"HTTP/1.1 200 OK", 0, id="absent"),
    ],
)
def test_the_length_of_an_answer_is_read(head: bytes, length: int) -> None:
    assert content_length(head) == length
