"""How long what is in flight is expected to take."""

import pytest

from ekiben.serving.cost import Cost
from ekiben.serving.pace import Limits, Pace

LIMITS = Limits(queue_seconds=1.0, batch_rows=512, batch_seconds=0.005)


def learned(*seconds: float) -> Pace:
    """Return what calls of one row that followed each other after *seconds* have taught."""
    pace, cost = Pace(LIMITS), Cost()
    cost.learn(1, 0.001)
    for one in seconds:
        pace.learn(cost, 1, 1, one)
    return pace


def test_what_a_worker_does_beside_the_model_counts_for_each_request() -> None:
    pace = learned(*[0.003] * 50)

    assert pace.seconds(1, 10) == pytest.approx(0.001 + 10 * 0.002, rel=0.01)


def test_a_worker_that_was_stopped_for_a_second_is_not_slow_after_it() -> None:
    calm = [0.0012] * 10

    pace = learned(*calm, 1.0, *calm, 1.0, *calm)

    assert pace.seconds(1, 1) < 0.0013


def test_a_worker_that_stays_slow_is_known_to_be_slow_after_some_calls() -> None:
    pace = learned(*[0.0012] * 10, *[1.0] * 6)

    assert pace.seconds(1, 1) > 0.5
