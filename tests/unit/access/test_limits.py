"""Rates and daily rows: what is refused, and for how long."""

import itertools

import hypothesis
import pytest
from hypothesis import strategies as st

from ekiben.access.quotas import DAY_SECONDS, Quotas, Spent
from ekiben.access.rates import MAX_CALLERS, Rate, Rates
from ekiben.errors import InvalidRate, QuotaExceeded, RateLimited

NOON = 20_000 * DAY_SECONDS + DAY_SECONDS / 2
TODAY = 20_000


@pytest.mark.parametrize(
    ("text", "rate"),
    [("50/second", Rate(50, 1.0)), ("600/minute", Rate(600, 60.0))],
)
def test_a_rate_is_read_as_it_is_written(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate
    assert str(rate) == text


@pytest.mark.parametrize("text", ["", "50", "0/second", "-1/second", "5/hour", "1/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(InvalidRate):
        Rate.parse(text)


def allowed(rates: Rates, rate: Rate, now: float, caller: str = "a") -> float:
    """Ask once; return 0 when it is allowed, else the seconds to wait."""
    try:
        rates.take(caller, rate, now)
    except RateLimited as refused:
        return refused.retry_after
    return 0.0


def test_the_whole_allowance_may_come_at_once_and_no_more() -> None:
    rates, rate = Rates(), Rate(10, 1.0)

    waits = [allowed(rates, rate, 0.0) for _ in range(12)]

    assert waits[:10] == [0.0] * 10
    assert waits[10:] == pytest.approx([0.1, 0.1])


@hypothesis.given(
    requests=st.integers(1, 1000),
    seconds=st.sampled_from([1.0, 60.0]),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=100),
)
def test_whoever_waits_as_told_is_answered_and_not_a_step_earlier(
    requests: int, seconds: float, gaps: list[float]
) -> None:
    rate, step = Rate(requests, seconds), seconds / requests
    for now in itertools.accumulate(gaps):
        rates = Rates()
        for _ in range(requests):
            assert allowed(rates, rate, now) == 0.0
        wait = allowed(rates, rate, now)
        assert 0 < wait <= step * 1.001
        assert allowed(rates, rate, now + wait / 2) > 0
        assert allowed(rates, rate, now + wait) == 0.0


def test_one_caller_does_not_use_up_anothers_allowance() -> None:
    rates, rate = Rates(), Rate(1, 60.0)

    assert allowed(rates, rate, 0.0, "a") == 0.0
    assert allowed(rates, rate, 0.0, "a") > 0
    assert allowed(rates, rate, 0.0, "b") == 0.0


def test_callers_without_end_are_forgotten_but_not_those_who_must_wait() -> None:
    rates, rate = Rates(), Rate(1, 1.0)
    for number in range(MAX_CALLERS - 1):
        allowed(rates, rate, 0.0, f"early {number}")
    allowed(rates, rate, 5.0, "late")

    allowed(rates, rate, 5.1, "one more")

    assert allowed(rates, rate, 5.2, "late") > 0
    assert len(rates._whole) == 2


def test_rows_up_to_the_quota_are_answered_and_not_one_more() -> None:
    quotas = Quotas()
    quotas.charge("a", 60, 100, NOON)
    quotas.charge("a", 40, 100, NOON)

    with pytest.raises(QuotaExceeded) as refused:
        quotas.charge("a", 1, 100, NOON)

    assert refused.value.retry_after == DAY_SECONDS / 2
    quotas.charge("b", 100, 100, NOON)


def test_refused_rows_are_not_counted() -> None:
    quotas = Quotas()
    with pytest.raises(QuotaExceeded):
        quotas.charge("a", 101, 100, NOON)

    quotas.charge("a", 100, 100, NOON)


def test_a_new_day_is_a_new_quota() -> None:
    quotas = Quotas()
    quotas.charge("a", 100, 100, NOON)

    quotas.charge("a", 100, 100, NOON + DAY_SECONDS)

    assert [(one.day, one.rows) for one in quotas.report()] == [
        (TODAY, 100),
        (TODAY + 1, 100),
    ]


def test_what_other_processes_answered_counts_from_the_next_look_on() -> None:
    quotas = Quotas()
    quotas.charge("a", 10, 100, NOON)
    quotas.report()
    quotas.settle(TODAY, {"a": 95})

    quotas.charge("a", 5, 100, NOON)
    with pytest.raises(QuotaExceeded):
        quotas.charge("a", 1, 100, NOON)


def test_rows_count_while_they_are_being_reported() -> None:
    quotas = Quotas()
    quotas.charge("a", 100, 100, NOON)

    assert quotas.report() == [Spent("a", TODAY, 100, NOON)]

    with pytest.raises(QuotaExceeded):
        quotas.charge("a", 1, 100, NOON)


def test_a_report_that_was_not_kept_is_made_again() -> None:
    quotas = Quotas()
    quotas.charge("a", 7, 100, NOON)
    quotas.report()
    quotas.charge("a", 1, 100, NOON + 5)

    quotas.restore()

    assert quotas.pressing
    assert quotas.report() == [Spent("a", TODAY, 8, NOON + 5)]


def test_rows_without_a_quota_are_counted_and_do_not_press() -> None:
    quotas = Quotas()
    quotas.charge("a", 1_000_000, None, NOON)

    assert not quotas.pressing
    assert [one.rows for one in quotas.report()] == [1_000_000]
