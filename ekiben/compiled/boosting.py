"""LightGBM's classifiers as the text that LightGBM writes of them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ekiben.compiled.artefact import (
    Artefact,
    Floats,
    NotCompilable,
    Scorer,
    plain_classes,
)
from ekiben.compiled.lightgbm_library import Booster

BOOSTING = "lightgbm"
TEXT = "model.txt"


def compile_boosting(classifier: Any) -> Artefact:
    """Compile an `LGBMClassifier`.

    Raises:
        NotCompilable: it has an objective of its own, whose numbers are no probabilities.
    """
    if callable(classifier.objective_):
        raise NotCompilable("its objective is a Python function")
    text = classifier.booster_.model_to_string()
    return Artefact(
        BOOSTING, plain_classes(classifier), files={TEXT: str(text).encode()}
    )


def load_boosting(artefact: Artefact) -> Scorer:
    """Make the scorer."""
    booster = Booster(artefact.files[TEXT].decode())
    score = booster.scorer()
    return score if booster.outputs > 1 else two_columns(score)


def two_columns(positive: Callable[[Floats], Floats]) -> Scorer:
    """Return the scorer of two classes by the probability of the second."""

    def score(features: Floats) -> Floats:
        second = positive(features)
        both = np.empty((len(second), 2))
        both[:, 1] = second
        np.subtract(1.0, second, out=both[:, 0])
        return both

    return score
