"""Made-up machine-learning projects for the topics model.

760 texts: 308 natural-language-processing, 284 computer-vision, 105 other, 63 mlops,
the proportions of the public file. A text speaks of two subjects; some of its words
belong to every topic, and some subjects stray in from another.
TF-IDF of words and balanced logistic regression, on a stratified 25 %, mean of five
splits: weighted F1 0.86 (public file, the same model: 0.87).
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator

from ekiben.datasets.samples.grammar import expand, pick
from ekiben.datasets.samples.topics_words import (
    DESCRIPTIONS,
    SHARED,
    SUBJECTS,
    TITLES,
)

if TYPE_CHECKING:
    import pandas as pd

SEED = 20_260_104
ROWS = {
    "natural-language-processing": 308,
    "computer-vision": 284,
    "other": 105,
    "mlops": 63,
}
STRAY = 0.05
"""The share of subjects that belong to any topic, not the row's own."""


def make() -> "pd.DataFrame":
    """Return the sample, in random order; the same on every call."""
    import pandas as pd

    rng = np.random.default_rng(SEED)
    rows = [
        (text, topic)
        for topic, count in ROWS.items()
        for text in _texts(rng, topic, count)
    ]
    frame = pd.DataFrame(rows, columns=["text", "topic"])
    return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)


def _texts(rng: Generator, topic: str, count: int) -> list[str]:
    """Return *count* different texts in the order in which they were drawn."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[_text(rng, topic)] = None
    return list(found)


def _text(rng: Generator, topic: str) -> str:
    grammar = {
        "first": [_subject(rng, topic)],
        "second": [_subject(rng, topic)],
        "shared": SHARED,
    }
    title = expand(rng, pick(rng, TITLES), grammar)
    return f"{title} {expand(rng, pick(rng, DESCRIPTIONS), grammar)}"


def _subject(rng: Generator, topic: str) -> str:
    known = list(SUBJECTS)
    stray = rng.random() < STRAY
    return pick(rng, SUBJECTS[pick(rng, known) if stray else topic])
