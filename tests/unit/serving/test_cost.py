"""What a model call is expected to take."""

import time
from functools import partial

from ekiben.serving.cost import Cost


def test_nothing_is_expected_before_the_first_call() -> None:
    assert Cost().expected(100) == 0.0


def test_a_size_that_was_seen_is_expected_to_take_what_it_took() -> None:
    cost = Cost()
    cost.learn(8, 0.004)

    assert cost.expected(8) == 0.004


def test_a_larger_size_is_scaled_up_and_a_smaller_one_taken_as_it_is() -> None:
    cost = Cost()
    cost.learn(8, 0.004)

    assert cost.expected(16) == 0.008
    assert cost.expected(1) == 0.004


def test_the_newest_call_moves_the_expectation_by_a_fifth() -> None:
    cost = Cost()
    cost.learn(1, 0.010)
    cost.learn(1, 0.020)

    assert abs(cost.expected(1) - 0.012) < 1e-12


def test_a_call_that_always_waits_costs_its_wait_and_one_that_waited_once_does_not() -> (
    None
):
    waits, once = Cost(), Cost()

    for _ in range(10):
        waits.time(1, lambda: time.sleep(0.02))
    for seconds in (0.0, 0.5, 0.0, 0.0, 0.5, 0.0):
        once.time(1, partial(time.sleep, seconds))

    assert waits.expected(1) > 0.01
    # Either of the two waits alone would add more; a moment of a busy machine does not.
    assert once.expected(1) < 0.04


def test_a_size_whose_first_call_was_held_up_is_not_taken_for_slow() -> None:
    cost = Cost()
    cost.time(1, lambda: None)

    cost.time(8, lambda: time.sleep(0.5))

    assert cost.expected(8) < 0.1
