"""The price of a layer, from made-up turns."""

from benchmarks.layers import Prices, Turn
from benchmarks.load import Figures


def turn(variant: str, answered: int, cost: float, *, broken: int = 0) -> Turn:
    return Turn(variant, Figures(answered, 1.0, 1.0, 2.0, 0, broken), cost)


PRICES = Prices(
    [
        [turn("shipped", 90, 110.0), turn("no-keys", 100, 100.0)],
        # A round in which the machine was busy: slow for both.
        [turn("no-keys", 50, 104.0), turn("shipped", 45, 120.0)],
        [turn("shipped", 80, 115.0), turn("no-keys", 100, 90.0, broken=2)],
    ]
)


def test_the_share_is_the_median_of_the_rounds() -> None:
    share = PRICES.share("no-keys")

    assert (share.low, share.median, share.high) == (0.8, 0.9, 0.9)


def test_the_cost_is_compared_by_its_medians() -> None:
    assert PRICES.cost_share("no-keys") == 100 / 115


def test_all_failures_count() -> None:
    assert PRICES.failures() == 2
