"""Sentences from templates: `{slot}` stands for one of the slot's fillings, which may hold slots."""

import re
from collections.abc import Mapping, Sequence

from numpy.random import Generator

Grammar = Mapping[str, Sequence[str]]
SLOT = re.compile(r"\{(\w+)\}")
DIGITS = re.compile(r"#")


def pick(rng: Generator, options: Sequence[str]) -> str:
    """Draw one of *options*, each as likely."""
    return options[int(rng.integers(len(options)))]


def expand(rng: Generator, template: str, grammar: Grammar) -> str:
    """Fill every slot of *template*, and every `#` with a digit."""
    while SLOT.search(template):
        template = SLOT.sub(lambda slot: pick(rng, grammar[slot[1]]), template)
    return DIGITS.sub(lambda _: str(rng.integers(10)), template)


def words(text: str) -> list[str]:
    """Split a literal that is laid out over lines into its words."""
    return text.split()


def phrases(text: str) -> list[str]:
    """Split a literal into its lines, without indent and blank lines."""
    return [line.strip() for line in text.splitlines() if line.strip()]
