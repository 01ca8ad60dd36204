"""What a version keeps of the rows it was made from, so that drift can be told from it.

Made in training and kept in the version beside its test rows. Fields are described by all
rows of the table; words that training has not seen, and the predictions, by test rows
only, since a model is surer of rows that it was fitted on.
"""

import gzip
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ekiben.errors import EkibenError
from ekiben.monitoring.fields import (
    UNKNOWN_WORDS,
    Column,
    Field,
    Sample,
    column_of,
    fields_of,
    name_of,
    prediction_signals,
    signals_of,
    words_of,
)
from ekiben.predictor import Predictor
from ekiben.schemas.model_card import Record
from ekiben.use_cases.use_case import UseCase

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "evidence/reference.json.gz"
MOST_ROWS = 20_000
"""More rows than these are thinned out at random."""
MOST_NUMBERS = 2000
"""Of more numbers, evenly spaced ones of their order are kept."""
MOST_VALUES = 30
"""Whole numbers of no more different values are compared value by value."""
MOST_WORDS = 50_000
"""The most frequent words that are kept of a training table."""

Places = NDArray[np.intp]
Vocabulary = Mapping[str, AbstractSet[str]]
"""Text field to the words that are known of it."""


class NoReference(EkibenError):
    """A version does not say what its rows were like."""


class Numbers(Record):
    """Numbers in their order; `rows` says of how many."""

    rows: int
    sample: tuple[float, ...]


class Counts(Record):
    """How many rows are of each category."""

    counts: dict[str, int]

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(self.counts.values())


Signal = Numbers | Counts
Signals = dict[str, Signal]


class Reference(Record):
    """What the rows of a version were like: field, then signal, to what was seen."""

    format: Literal[1] = 1
    rows: int
    unseen_rows: int
    fields: dict[str, Signals]
    prediction: Signals
    vocabulary: dict[str, tuple[str, ...]]
    """Text field to the words of the rows that the version has seen."""

    @property
    def known(self) -> Vocabulary:
        """The words as sets."""
        return {name: frozenset(words) for name, words in self.vocabulary.items()}


@dataclass(frozen=True)
class Watched:
    """One field of some rows."""

    field: Field
    column: Column
    signals: dict[str, Sample]


def watch(
    use_case: UseCase, rows: Sequence[Mapping[str, Any]], known: Vocabulary
) -> dict[str, Watched]:
    """Return every field of *rows*, which are as clients send them."""
    found = {}
    for field in fields_of(use_case.row):
        column = column_of(field, rows)
        signals = signals_of(field, column, known.get(field.name))
        found[field.name] = Watched(field, column, signals)
    return found


def make_reference(
    use_case: UseCase,
    frame: "pd.DataFrame",
    unseen: Places,
    predictor: Predictor,
    rng: np.random.Generator,
) -> Reference:
    """Describe the rows of *frame*; *predictor* has not seen those at *unseen*.

    Where the use case has a prior of its own, the classes have the shares that it says.
    """
    labels = np.array(frame[use_case.dataset.target].tolist())
    places = np.arange(len(frame))
    usual = frame.iloc[typical(use_case, labels, places, rng)]
    fresh = frame.iloc[typical(use_case, labels, unseen, rng)]
    words = _words_seen(use_case, frame.iloc[np.setdiff1d(places, unseen)])
    known = {name: frozenset(found) for name, found in words.items()}
    rows_of = use_case.encoding.rows_of
    described = watch(use_case, rows_of(usual), {})
    untouched = watch(use_case, rows_of(fresh), known)
    for name in known:
        shares = untouched[name].signals[UNKNOWN_WORDS]
        described[name].signals[UNKNOWN_WORDS] = shares
    return Reference(
        rows=len(usual),
        unseen_rows=len(fresh),
        fields={
            name: {
                what: _summary(sample, one.field)
                for what, sample in one.signals.items()
            }
            for name, one in described.items()
        },
        prediction=_predictions(use_case, predictor, fresh),
        vocabulary=words,
    )


def render_reference(reference: Reference) -> bytes:
    """Return the file that a version keeps; equal references give equal bytes."""
    return gzip.compress(reference.model_dump_json().encode(), mtime=0)


def read_reference(files: Mapping[str, bytes]) -> Reference:
    """Return the reference of the version of these *files*.

    Raises:
        NoReference: it keeps none, or one that this Ekiben does not know.
    """
    if REFERENCE not in files:
        raise NoReference(
            "it was registered before references were kept; train it again"
        )
    try:
        return Reference.model_validate_json(gzip.decompress(files[REFERENCE]))
    except (OSError, EOFError, ValidationError):
        raise NoReference("its reference is of another Ekiben") from None


def typical(
    use_case: UseCase, labels: NDArray[Any], places: Places, rng: np.random.Generator
) -> Places:
    """Return some of the *places*, at most MOST_ROWS, with classes as often as in use."""
    kept = rng.permutation(places)
    if use_case.prior is not None:
        positive = labels[kept] == use_case.classes[1]
        odds = use_case.prior / (1 - use_case.prior)
        rare = kept[positive][: round(odds * int((~positive).sum()))]
        kept = rng.permutation(np.concatenate((kept[~positive], rare)))
    return np.sort(kept[:MOST_ROWS])


def _words_seen(use_case: UseCase, seen: "pd.DataFrame") -> dict[str, tuple[str, ...]]:
    texts = [one for one in fields_of(use_case.row) if one.kind == "text"]
    if not texts:
        return {}
    rows = use_case.encoding.rows_of(seen)
    return {one.name: _frequent(column_of(one, rows).given) for one in texts}


def _frequent(texts: Iterable[str]) -> tuple[str, ...]:
    counts = Counter(word for text in texts for word in words_of(text))
    return tuple(sorted(word for word, _ in counts.most_common(MOST_WORDS)))


def _predictions(
    use_case: UseCase, predictor: Predictor, unseen: "pd.DataFrame"
) -> Signals:
    scored = predictor.probabilities(use_case.encoding.from_table(unseen), len(unseen))
    answers = use_case.answer(scored, predictor.decision)
    found = prediction_signals(answers, use_case.label_of)
    return {name: _summary(sample) for name, sample in found.items()}


def _summary(sample: Sample, field: Field | None = None) -> Signal:
    if isinstance(sample, list):
        return Counts(counts=dict(sorted(Counter(sample).items())))
    if field and field.kind == "whole" and len(np.unique(sample)) <= MOST_VALUES:
        names = [name_of(one) for one in np.sort(sample).tolist()]
        return Counts(counts=dict(Counter(names)))
    ordered = np.sort(sample)
    if len(ordered) > MOST_NUMBERS:
        even = np.linspace(0, len(ordered) - 1, MOST_NUMBERS).round().astype(int)
        ordered = ordered[even]
    return Numbers(rows=len(sample), sample=tuple(ordered.tolist()))
