"""The price of a variant, from made-up turns."""

from benchmarks.load import Figures
from benchmarks.side_by_side import Rounds, Turn, answered, cost


def turn(variant: str, requests: int, cost: float, *, broken: int = 0) -> Turn:
    return Turn(variant, Figures(requests, 1.0, 1.0, 2.0, 0, broken), cost)


ROUNDS = Rounds(
    [
        [turn("shipped", 90, 110.0), turn("no-keys", 100, 100.0)],
        # A round in which the machine was busy: slow for both.
        [turn("no-keys", 50, 104.0), turn("shipped", 45, 120.0)],
        [turn("shipped", 80, 115.0), turn("no-keys", 100, 92.0, broken=2)],
    ]
)


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    share = ROUNDS.ratio("shipped", "no-keys", answered)
    price = ROUNDS.ratio("shipped", "no-keys", cost)

    assert (share.low, share.median, share.high) == (0.8, 0.9, 0.9)
    assert price.median == 120 / 104


def test_a_figure_is_the_median_of_its_variant_s_turns() -> None:
    assert ROUNDS.spread("no-keys", cost).median == 100.0
    assert ROUNDS.spread("shipped", answered).median == 80.0


def test_all_failures_count() -> None:
    assert ROUNDS.failures() == 2
