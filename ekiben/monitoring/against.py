"""What another version would have answered: how often it agrees, and where it does not."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pandas as pd

from ekiben.holdout import unseen
from ekiben.monitoring.records import Logged, Observed
from ekiben.monitoring.replay import CHUNK, EXAMPLES, Answered, ask, chunks
from ekiben.predictor import Predictor
from ekiben.use_cases.use_case import Fields, UseCase

OTHER_SCHEMA = "answer of another schema"

Pair = tuple[Logged, Observed | None]


@dataclass
class Share:
    """Rows, and how many of them got another label."""

    rows: int = 0
    disagreements: int = 0

    def add(self, other: bool) -> None:
        """Count one row."""
        self.rows += 1
        self.disagreements += other


@dataclass(frozen=True)
class Example:
    """One row that another version would have answered otherwise."""

    prediction_id: str
    tag: str
    row: dict[str, Any]
    logged: Fields
    other: Fields
    true: Any
    """None: not known."""


@dataclass
class Truths:
    """Rows whose true label is known, and how many of them each side has right; none
    that the other version has seen."""

    rows: int = 0
    logged_right: int = 0
    other_right: int = 0


@dataclass(frozen=True)
class _Compared:
    """A row that was asked again, its truth, and the labels before and after."""

    answered: Answered
    truth: Observed | None
    before: Any
    after: Any

    @property
    def other(self) -> bool:
        """Whether the label is another."""
        return bool(self.before != self.after)


@dataclass
class Contrast:
    """The logged answers of a use case beside those of one version, `tag`."""

    tag: str
    all: Share = field(default_factory=Share)
    versions: dict[str, Share] = field(default_factory=dict)
    slices: dict[str, dict[str, Share]] = field(default_factory=dict)
    changes: Counter[tuple[Any, Any]] = field(default_factory=Counter)
    """(logged label, other label) -> rows, of those that differ."""
    truths: Truths = field(default_factory=Truths)
    left_out: Counter[str] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)


def contrast(
    pairs: Iterable[Pair],
    predictor: Predictor,
    evidence: Mapping[str, bytes] = MappingProxyType({}),
) -> Contrast:
    """Let *predictor* answer every logged row, and compare labels with the logged ones.

    *evidence* are the version's files, which say what rows it has seen: it is not
    praised for those.
    """
    found = Contrast(predictor.tag)
    for chunk in chunks(pairs, CHUNK):
        truths = {record.prediction_id: truth for record, truth in chunk}
        answered, hindered = ask([record for record, _ in chunk], predictor)
        found.left_out.update(obstacle.cause for _, obstacle in hindered)
        compared = [
            _Compared(one, truths[one.record.prediction_id], *labels)
            for one in answered
            if (labels := _labels(one, predictor.use_case))
        ]
        found.left_out[OTHER_SCHEMA] += len(answered) - len(compared)
        if compared:
            _add(found, compared, predictor.use_case, evidence)
    return found


def _labels(one: Answered, use_case: UseCase) -> tuple[Any, Any] | None:
    """Return the logged label and the new one; None: the logged answer names none."""
    try:
        before = use_case.label_of(one.record.answer)
    except (KeyError, TypeError, ValueError):
        return None
    return before, use_case.label_of(one.answer)


def _add(
    found: Contrast,
    compared: Sequence[_Compared],
    use_case: UseCase,
    evidence: Mapping[str, bytes],
) -> None:
    for one in compared:
        _add_one(found, one)
    frame = pd.DataFrame.from_records([it.answered.row.model_dump() for it in compared])
    for name, group_of in use_case.slices.items():
        groups = found.slices.setdefault(name, {})
        for group, one in zip(group_of(frame).tolist(), compared, strict=True):
            groups.setdefault(str(group), Share()).add(one.other)
    if any(one.truth for one in compared):
        fresh = unseen(use_case, frame, evidence)
        for place, one in enumerate(compared):
            if one.truth and (fresh is None or fresh[place]):
                _add_truth(found.truths, one.truth.label, one)


def _add_one(found: Contrast, one: _Compared) -> None:
    record = one.answered.record
    found.all.add(one.other)
    found.versions.setdefault(record.tag, Share()).add(one.other)
    if not one.other:
        return
    found.changes[one.before, one.after] += 1
    if len(found.examples) < EXAMPLES:
        found.examples.append(
            Example(
                record.prediction_id,
                record.tag,
                record.row,
                record.answer,
                one.answered.answer,
                one.truth.label if one.truth else None,
            )
        )


def _add_truth(truths: Truths, true: Any, one: _Compared) -> None:
    truths.rows += 1
    truths.logged_right += one.before == true
    truths.other_right += one.after == true
