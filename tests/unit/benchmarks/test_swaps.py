"""What the swaps' figures are compared with, and when they are too high."""

import pytest

from benchmarks import swaps
from benchmarks.load import Figures
from benchmarks.swaps import KINDS, Window, Windows, within


def windows(
    steady: list[float], swapping: list[float], loading: list[float], failed: int = 0
) -> Windows:
    found = Windows()
    for p99s in zip(steady, swapping, loading, strict=True):
        for kind, p99 in zip(KINDS, p99s, strict=True):
            figures = Figures(1000, 1.0, 1.0, p99, failed, 0)
            found.all.append(Window("iris", kind, figures, 3))
    return found


def test_a_ratio_is_of_windows_of_the_same_turn() -> None:
    found = windows([10, 100, 10], [20, 100, 15], [10, 10, 10])

    assert found.ratio("iris", "steady") == 1
    assert found.ratio("iris", "swaps") == 1.5
    assert found.p99("iris", "swaps") == 20


@pytest.mark.parametrize(
    ("swapping", "loading", "failed", "verdict"),
    [
        pytest.param([20.0], [20.0], 0, True, id="twice"),
        pytest.param([20.1], [10.0], 0, False, id="swaps-above-twice"),
        pytest.param([10.0], [20.1], 0, False, id="loads-above-twice"),
        pytest.param([10.0], [10.0], 1, False, id="a-failed-request"),
    ],
)
def test_the_bound_is_twice_the_steady_p99_and_no_failure(
    swapping: list[float], loading: list[float], failed: int, verdict: bool
) -> None:
    found = windows([10.0], swapping, loading, failed)

    assert within(found, ["iris"]) is verdict


def test_without_wrk_nothing_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(swaps, "client_name", lambda: "python")

    assert swaps.main([]) == 1
    assert capsys.readouterr().err.startswith("wrk is not installed")
