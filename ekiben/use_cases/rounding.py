"""Probabilities to a few decimals: who copies a model by its answers learns less of each."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ekiben.use_cases.iris import SMALLEST
from ekiben.use_cases.use_case import Fields


def round_stated(answers: Iterable[Fields], decimals: int) -> None:
    """Round the probabilities that *answers* state, in place; labels and thresholds stay.

    Logarithms are taken anew, of the rounded ones: the old ones would tell the rest.
    """
    for fields in answers:
        if "probability" in fields:
            fields["probability"] = round(fields["probability"], decimals)
        if "probabilities" in fields:
            stated = fields["probabilities"]
            fields["probabilities"] = {n: round(p, decimals) for n, p in stated.items()}
        if "log_probabilities" in fields:
            fields["log_probabilities"] = _logarithms(fields["probabilities"])


def rounded(answer: Mapping[str, Any], decimals: int | None) -> Fields:
    """Return *answer* as a server with this setting states it; None: as it is."""
    fields = dict(answer)
    if decimals is not None:
        round_stated([fields], decimals)
    return fields


def _logarithms(probabilities: Mapping[str, float]) -> dict[str, float]:
    return {name: math.log(max(p, SMALLEST)) for name, p in probabilities.items()}
