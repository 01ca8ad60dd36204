"""Made-up short messages for the spam model.

5,000 messages, 630 of them spam (12.6 %), from a grammar of templates, spoilt by the
shorthand and slips of people who type on a phone. Some spam poses as a friend's
message, and some honest messages speak of prizes, offers and orders.
TF-IDF of words and logistic regression, on a stratified 33 %: F1 0.945, AUC 0.992
(public table, the same model: 0.930, 0.987).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator

from ekiben.datasets.samples.chat_words import CHAT, HAM
from ekiben.datasets.samples.grammar import expand, pick
from ekiben.datasets.samples.offer_words import BUSINESS_HAM, OFFERS, SLY_SPAM, SPAM

if TYPE_CHECKING:
    import pandas as pd

SEED = 20_260_103
GRAMMAR = {**CHAT, **OFFERS}
HAM_ROWS = 4_370
SPAM_ROWS = 630
SLY = 0.10
"""The share of spam that reads like a friend's message."""
BUSINESS = 0.015
"""The share of honest messages that read like an advertisement."""

SHORTHAND = {
    "you": "u",
    "are": "r",
    "to": "2",
    "for": "4",
    "your": "ur",
    "tonight": "2nite",
    "tomorrow": "tmr",
    "please": "pls",
    "thanks": "thx",
    "and": "n",
    "text": "txt",
    "the": "da",
    "be": "b",
    "see": "c",
    "what": "wat",
    "later": "l8r",
}


def make() -> "pd.DataFrame":
    """Return the sample, in random order; the same on every call."""
    import pandas as pd

    rng = np.random.default_rng(SEED)
    ham = _messages(rng, HAM_ROWS, HAM, BUSINESS_HAM, BUSINESS)
    spam = _messages(rng, SPAM_ROWS, SPAM, SLY_SPAM, SLY)
    frame = pd.DataFrame(
        {"label": ["ham"] * len(ham) + ["spam"] * len(spam), "text": ham + spam}
    )
    return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)


def _messages(
    rng: Generator,
    rows: int,
    usual: Sequence[str],
    unusual: Sequence[str],
    share: float,
) -> list[str]:
    """Return *rows* different messages in the order in which they were drawn."""
    found: dict[str, None] = {}
    while len(found) < rows:
        found[_message(rng, usual, unusual, share)] = None
    return list(found)


def _message(
    rng: Generator, usual: Sequence[str], unusual: Sequence[str], share: float
) -> str:
    template = pick(rng, unusual if rng.random() < share else usual)
    typed = expand(rng, template, GRAMMAR).replace("-", " ")
    hurried = rng.random() < 0.35
    return " ".join(_typed(rng, word, hurried) for word in typed.split())


def _typed(rng: Generator, word: str, hurried: bool) -> str:
    """Return *word* as it is typed: in shorthand, with a slip, or as it is."""
    if hurried and rng.random() < 0.6:
        return SHORTHAND.get(word, word)
    if len(word) > 4 and word.isalpha() and rng.random() < 0.03:
        place = int(rng.integers(1, len(word) - 1))
        return word[:place] + word[place + 1 :]
    return word
