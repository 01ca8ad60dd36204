"""What every peer calls: the production versions, asked as the tuned baseline asks them.

So the peers differ by what they do around the model, not by how well the model is called.
"""

from collections.abc import Sequence
from itertools import chain, islice
from typing import Any

import sklearn

from benchmarks.baselines.tuned import answer, in_one_thread
from benchmarks.baselines.versions import load_checked
from ekiben.use_cases.use_case import Fields


class Models:
    """The production version of every use case, golden predictions checked."""

    def __init__(self) -> None:
        sklearn.set_config(assume_finite=True, skip_parameter_validation=True)
        loaded = load_checked(answer, in_one_thread)
        self._promoted = {one.use_case.name: one for one in loaded}

    def answer(
        self, use_case: str, requests: Sequence[Sequence[dict[str, Any]]]
    ) -> list[list[Fields]]:
        """Answer the rows of several requests with one call of the model."""
        promoted = self._promoted[use_case]
        row = promoted.use_case.row
        rows = [row.model_validate(one) for one in chain.from_iterable(requests)]
        answers = iter(answer(promoted, rows))
        return [list(islice(answers, len(one))) for one in requests]


def by_use_case(names: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of each use case's requests in a batch of several."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    return places


def answer_mixed(
    models: Models, batch: Sequence[tuple[str, Sequence[dict[str, Any]]]]
) -> list[list[Fields]]:
    """Answer a batch of requests to any use cases: one call of a model for each."""
    answered: list[list[Fields]] = [[] for _ in batch]
    for name, places in by_use_case([name for name, _ in batch]).items():
        found = models.answer(name, [batch[place][1] for place in places])
        for place, one in zip(places, found, strict=True):
            answered[place] = one
    return answered
