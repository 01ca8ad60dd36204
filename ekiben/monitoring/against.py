"""What another version would have answered: how often it agrees, and where it does not."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ekiben.monitoring.records import Logged, Observed
from ekiben.monitoring.replay import CHUNK, EXAMPLES, Answered, ask, chunks
from ekiben.predictor import Predictor
from ekiben.schemas.base import Row
from ekiben.use_cases.use_case import Fields, UseCase

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
    """Rows whose true label is known, and how many of them each side has right."""

    rows: int = 0
    logged_right: int = 0
    other_right: int = 0


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


def contrast(pairs: Iterable[Pair], predictor: Predictor) -> Contrast:
    """Let *predictor* answer every logged row, and compare labels with the logged ones."""
    found = Contrast(predictor.tag)
    for chunk in chunks(pairs, CHUNK):
        truths = {record.prediction_id: truth for record, truth in chunk}
        answered, hindered = ask([record for record, _ in chunk], predictor)
        found.left_out.update(obstacle.cause for _, obstacle in hindered)
        others = [
            _add(found, one, truths[one.record.prediction_id], predictor.use_case)
            for one in answered
        ]
        if answered:
            rows = [one.row for one in answered]
            _add_slices(found, rows, others, predictor.use_case)
    return found


def _add(
    found: Contrast, one: Answered, truth: Observed | None, use_case: UseCase
) -> bool:
    """Count one row, and return whether it gets another label."""
    before, after = (use_case.label_of(it) for it in (one.record.answer, one.answer))
    other = bool(before != after)
    found.all.add(other)
    found.versions.setdefault(one.record.tag, Share()).add(other)
    if truth:
        _add_truth(found.truths, truth.label, before, after)
    if other:
        found.changes[before, after] += 1
        if len(found.examples) < EXAMPLES:
            found.examples.append(_example(one, truth))
    return other


def _add_truth(truths: Truths, true: Any, before: Any, after: Any) -> None:
    truths.rows += 1
    truths.logged_right += before == true
    truths.other_right += after == true


def _add_slices(
    found: Contrast,
    rows: Sequence[Row],
    others: Sequence[bool],
    use_case: UseCase,
) -> None:
    frame = pd.DataFrame.from_records([row.model_dump() for row in rows])
    for name, group_of in use_case.slices.items():
        groups = found.slices.setdefault(name, {})
        for group, other in zip(group_of(frame).tolist(), others, strict=True):
            groups.setdefault(str(group), Share()).add(other)


def _example(one: Answered, truth: Observed | None) -> Example:
    record, true = one.record, truth.label if truth else None
    return Example(
        record.prediction_id, record.tag, record.row, record.answer, one.answer, true
    )
