"""Whether a compiled model answers as its estimator does: both are asked, row for row.

A conversion can be wrong without a word, on every row or on one in ten thousand. So
both forms answer all validation rows, and hard rows: values far away, categories that
nobody has seen, texts that are empty or of another script.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ekiben.compiled.artefact import Floats, Scorer

CLOSE = 1e-5
"""Two probabilities further apart than this count as different."""
MOST_OVER = 0.001
"""The share of rows that may differ: single precision flips a rare row at a threshold."""
WORST = 1.0
"""The difference to an answer that is no number."""
MIXED_ROWS = 200
SCALES = (0.0, 1e-30, -1e-30, 1e3, -1e3, 1e30, -1e30)
HARD_TEXTS = (
    "",
    " ",
    "\n\t\u00a0",
    "?",
    "!!! ... ???",
    "0",
    "12345678901234567890",
    "\x00\x01",
    "É à la crème brûlée, garçon",
    "e\u0301 a\u0300",
    "ΑΒΓ σίγμας ΤΕΛΟΣ",
    "\u0130stanbul \u0131I ß ẞ ǅ",
    "Привет, как дела",
    "機械学習のモデル 2026年",
    "한국어 문장입니다",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "💸💸 free 🎁 call ☎ now",
    "\U0001d4d5\U0001d4fb\U0001d4ee\U0001d4ee money",
    "ﬁne ﬂow ½ x² ٣",
    "zero\u200bwidth\u200djoiner \u202eright to left",
    "under_score __init__ a_1",
    "x" * 5000,
    "word " * 1000,
)


@dataclass(frozen=True)
class Agreement:
    """How far two scorers agree: rows asked, and how many of them differ."""

    rows: int
    hard_rows: int
    largest: float
    mismatches: int
    share_over: float

    @property
    def fault(self) -> str:
        """Why the compiled form must not serve; empty: it may."""
        if self.mismatches:
            return f"{self.mismatches} rows are labelled differently"
        if self.share_over > MOST_OVER:
            return f"{self.share_over:.1%} of the rows differ by more than {CLOSE:g}"
        return ""


def compare(
    native: Scorer,
    compiled: Scorer,
    rows: Any,
    labels_of: Callable[[Floats], Sequence[Any]],
) -> Agreement:
    """Ask both for the encoded *rows* and the hard rows made of them.

    *labels_of* names each row's label by its probabilities. A hard row that the
    estimator refuses is left out: there is nothing to agree with.
    """
    hard = [one for one in hard_rows(rows) if _answers(native, one)]
    parts = [rows, *hard]
    expected = np.concatenate([native(part) for part in parts])
    found = np.concatenate([compiled(part) for part in parts])
    return agreement(expected, found, labels_of, hard=len(expected) - len(rows))


def agreement(
    expected: Floats,
    found: Floats,
    labels_of: Callable[[Floats], Sequence[Any]],
    *,
    hard: int = 0,
) -> Agreement:
    """Compare two answers to the same rows, the last *hard* of which are hard ones."""
    if expected.shape != found.shape:
        return Agreement(len(expected) - hard, hard, WORST, len(expected), 1.0)
    apart = np.abs(expected - found)
    apart = np.where(np.isfinite(apart), apart, WORST).max(axis=1)
    pairs = zip(labels_of(expected), labels_of(found), strict=True)
    return Agreement(
        rows=len(expected) - hard,
        hard_rows=hard,
        largest=float(apart.max()),
        mismatches=sum(one != other for one, other in pairs),
        share_over=float((apart > CLOSE).mean()),
    )


def hard_rows(rows: Any) -> list[Any]:
    """Return batches of hard rows of the same kind as the encoded *rows*: texts or numbers.

    Of another kind there are none.
    """
    if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype.kind == "f":
        return _hard_numbers(rows)
    if isinstance(rows, list) and all(isinstance(one, str) for one in rows):
        return [[text] for text in HARD_TEXTS]
    return []


def _hard_numbers(rows: Floats) -> list[Floats]:
    """Mix columns, nudge values by a last bit, and put values far away into each column.

    One above the largest and one below the smallest is a category that nobody has seen.
    """
    rng = np.random.default_rng(0)
    mixed = np.column_stack([rng.choice(one, MIXED_ROWS) for one in rows.T])
    nudged = [np.nextafter(mixed, np.inf), np.nextafter(mixed, -np.inf)]
    usual = np.median(rows, axis=0)
    outside = np.stack([rows.max(axis=0) + 1.0, rows.min(axis=0) - 1.0])
    away = [np.full((1, rows.shape[1]), scale) for scale in SCALES]
    for column in range(rows.shape[1]):
        for value in (*SCALES, *outside[:, column]):
            away.append(usual[None].copy())
            away[-1][0, column] = value
    return [mixed, *nudged, *away]


def _answers(native: Scorer, rows: Any) -> bool:
    try:
        answer: NDArray[Any] = native(rows)
    except Exception:  # an estimator refuses in ways of its own
        return False
    return bool(np.isfinite(answer).all())
