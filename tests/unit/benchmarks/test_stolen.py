"""A load that others disturbed is measured again; the share that they took is kept."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.load import Figures
from benchmarks.stolen import ticks, undisturbed


def figures(requests: int) -> Figures:
    return Figures(requests, 1.0, 1.0, 2.0, 0, 0)


def tried(stolen: Sequence[int]) -> tuple[Figures, int]:
    """Measure while others take so many percent, try after try; return also the tries."""
    clock = {"stolen": 50, "whole": 1000}
    tries = 0

    def measure() -> Figures:
        nonlocal tries
        clock["stolen"] += stolen[tries]
        clock["whole"] += 100
        tries += 1
        return figures(tries)

    found = undisturbed(measure, lambda: (clock["stolen"], clock["whole"]))
    return found, tries


@pytest.mark.parametrize(
    ("stolen", "kept", "tries"),
    [
        pytest.param([0], 1, 1, id="quiet"),
        pytest.param([5], 1, 1, id="nearly-quiet"),
        pytest.param([40, 2], 2, 2, id="quiet-again"),
        pytest.param([40, 12, 30], 2, 3, id="never-quiet"),
    ],
)
def test_the_least_disturbed_is_kept(stolen: list[int], kept: int, tries: int) -> None:
    found, made = tried(stolen)

    assert (found.requests, made) == (kept, tries)
    assert found.stolen == pytest.approx(min(stolen) / 100)


def test_a_system_that_does_not_tell_is_measured_once() -> None:
    found = undisturbed(lambda: figures(7), lambda: (0, 0))
    assert (found.requests, found.stolen) == (7, None)


def test_the_share_is_read_of_all_processors(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  10 1 5 80 2 0 1 9 4 0\ncpu0 10 1 5 80 2 0 1 9 4 0\n")
    assert ticks(stat) == (9, 108)


@pytest.mark.parametrize("content", [None, "cpu 1 2 3\n"], ids=["none", "old"])
def test_what_does_not_tell_tells_nothing(tmp_path: Path, content: str | None) -> None:
    stat = tmp_path / "stat"
    if content is not None:
        stat.write_text(content)
    assert ticks(stat) == (0, 0)
