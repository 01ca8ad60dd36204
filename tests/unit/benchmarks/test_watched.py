"""A race tells how far it is, and an end on the way takes nothing from what was measured."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import pytest
from rich.console import Console

from benchmarks.__main__ import watched
from benchmarks.race import Race
from benchmarks.results import Case, Measurement, Start
from tests.unit.benchmarks.measured import measured

CASES = [Case("iris", 1, 1), Case("iris", 1, 32)]


@dataclass
class Turns:
    """Stands for a race of two servers, the second of which breaks."""

    steps: int = 4

    def turns(
        self, tell: Callable[[str], None]
    ) -> Iterator[Iterator[Measurement | Start]]:
        yield self._turn("ekiben", tell, CASES)
        yield self._turn("tuned", tell, CASES[:1])
        raise ConnectionError

    def _turn(
        self, name: str, tell: Callable[[str], None], cases: list[Case]
    ) -> Iterator[Measurement | Start]:
        for case in cases:
            tell(f"{name} over {case.connections}")
            yield from measured(name, [100.0], case=case)


def test_what_was_measured_is_given_after_every_turn() -> None:
    out = io.StringIO()
    race = cast("Race", Turns())
    given: list[int] = []

    with pytest.raises(ConnectionError):
        given.extend(len(found) for found in watched(race, Console(file=out)))

    assert given == [2, 3]
    assert out.getvalue().rstrip().splitlines() == [
        "50 %, done: ekiben over 32",
        "75 %, done: tuned over 1",
    ]
