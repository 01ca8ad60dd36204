"""The verdicts on a new version: what is held against it, and what is not."""

from collections import deque

import pytest

from ekiben.serving.trial import Allowed, Count, Outcomes, failing, slow, suspicious
from tests.fakes import numbers

ALLOWED = Allowed(seconds=60, error_share=0.01, slowdown=5)
ROW = numbers(1)


@pytest.mark.parametrize(
    ("count", "guilty"),
    [
        pytest.param(Count(), False, id="no-requests"),
        pytest.param(Count(1000, 0, 0, 0), False, id="no-failures"),
        pytest.param(Count(100, 100, 20, 20), True, id="all-fail"),
        pytest.param(Count(4, 4, 4, 4), False, id="too-few-to-tell"),
        pytest.param(Count(5, 5, 5, 5), True, id="just-enough"),
        pytest.param(Count(500, 500, 500, 0), False, id="neither-version-answers"),
        pytest.param(Count(500, 5, 5, 5), True, id="share-at-the-limit"),
        pytest.param(Count(501, 5, 5, 5), False, id="share-below-the-limit"),
        pytest.param(Count(1000, 100, 50, 5), True, id="a-tenth-of-a-tenth"),
        pytest.param(
            Count(1001, 100, 50, 5), False, id="mostly-the-requests-own-fault"
        ),
    ],
)
def test_failures_count_where_the_version_before_answers(
    count: Count, guilty: bool
) -> None:
    fault = failing(count, "iris:old", ALLOWED)

    assert (fault is not None) is guilty


def test_the_reason_holds_the_numbers() -> None:
    fault = failing(Count(200, 30, 20, 18), "iris:old", ALLOWED)

    assert fault is not None
    assert fault.kind == "failing"
    assert fault.reason == (
        "30 of the last 200 requests failed; iris:old answers 18 of 20 of these; "
        "the share of failures is 0.135, it may be 0.01"
    )


@pytest.mark.parametrize(
    ("seconds", "baseline", "guilty"),
    [
        pytest.param(0.5, 0.001, True, id="half-a-second-more"),
        pytest.param(0.049, 0.001, False, id="much-slower-but-quick"),
        pytest.param(0.9, 0.2, False, id="four-and-a-half-times"),
        pytest.param(1.0, 0.2, True, id="five-times"),
        pytest.param(0.2, 0.3, False, id="faster"),
    ],
)
def test_a_version_is_slow_by_a_factor_and_by_a_time(
    seconds: float, baseline: float, guilty: bool
) -> None:
    fault = slow(8, seconds, "iris:old", baseline, ALLOWED)

    assert (fault is not None) is guilty


def test_one_slow_call_among_quick_ones_raises_no_suspicion() -> None:
    assert not suspicious([((), 0.9), ((), 0.001), ((), 0.001)], expected=0.0)
    assert not suspicious([((), 0.9), ((), 0.9)], expected=0.0)
    assert not suspicious([((), 0.9), ((), 0.9), ((), 0.9)], expected=0.9)
    assert suspicious([((), 0.9), ((), 0.001), ((), 0.9)], expected=0.1)


def test_a_verdict_is_on_what_came_lately() -> None:
    outcomes = Outcomes()
    outcomes.recent(0.0)
    outcomes.called(100_000, 0.001)
    assert outcomes.recent(1.0) == Count(requests=100_000)

    outcomes.failed(40, [ROW] * 40)
    for _ in range(7):
        outcomes.replayed(answered=True)

    assert outcomes.recent(11.0) == Count(40, 40, 7, 7)


def test_few_requests_are_remembered_for_longer() -> None:
    outcomes = Outcomes()
    for second in range(0, 100, 10):
        count = outcomes.recent(second)
        outcomes.failed(1, [ROW])

    assert count.failed == 9


def test_what_is_kept_is_bounded() -> None:
    outcomes = Outcomes()
    for second in range(1000):
        outcomes.failed(50, [ROW] * 50)
        outcomes.called(50, 0.1, ROW)
        outcomes.recent(second / 4)

    kept = [one for one in vars(outcomes).values() if isinstance(one, deque)]
    assert len(kept) == 3
    assert max(len(one) for one in kept) < 50
