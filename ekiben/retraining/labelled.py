"""Logged rows whose truth is known, as a table: each row once, with its newest label."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ekiben.datasets.checks import check
from ekiben.errors import InvalidTable
from ekiben.holdout import digests_of
from ekiben.monitoring.records import Logged, Observed, microseconds
from ekiben.monitoring.rows import Obstacle, row_of
from ekiben.use_cases.use_case import Fields, UseCase


@dataclass
class Counts:
    """What became of the logged rows of a window, and of the table they are joined to."""

    read: int = 0
    unlabelled: int = 0
    """Without feedback, so far."""
    not_whole: int = 0
    """With a personal field that the log does not hold."""
    refused: int = 0
    """By the row's schema, by the classes, or by the checks of the table."""
    repeated: int = 0
    """Of a row that was logged more often: only its newest observation counts."""
    conflicting: int = 0
    """Rows whose observations name several labels."""
    known: int = 0
    """In the original table already, with the same label."""
    relabelled: int = 0
    """In the original table with another label, which the newer observation replaces."""
    added: int = 0
    """New to the table, or relabelled in it."""

    def __str__(self) -> str:
        """Return one line; of what is left out, only what is not 0."""
        told = [
            f"{count:,} {words}"
            for name, words in TOLD.items()
            if (count := getattr(self, name))
        ]
        return ", ".join([f"{self.read:,} logged", *told])


TOLD = {
    "unlabelled": "without feedback",
    "not_whole": "not whole in the log",
    "refused": "refused by the table's checks",
    "repeated": "repeated",
    "conflicting": "with several labels, of which the newest counts",
    "known": "in the table already",
    "relabelled": "in the table with another label, which is replaced",
    "added": "new or relabelled",
}


@dataclass(frozen=True)
class Labelled:
    """Checked rows in the order in which they were asked, no two with the same fields.

    `at` is when each was asked, in microseconds since 1970.
    """

    frame: pd.DataFrame
    at: NDArray[np.int64]
    digests: Sequence[str]


@dataclass
class _Rows:
    """What is gathered of the log."""

    rows: list[Fields] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    observed: list[tuple[datetime, datetime, datetime]] = field(default_factory=list)


def collect(
    pairs: Iterable[tuple[Logged, Observed | None]], use_case: UseCase, counts: Counts
) -> Labelled:
    """Gather the rows of *pairs* whose truth is known; *counts* tells of the others.

    Of a row that was observed several times the newest observation is taken.
    """
    found = _Rows()
    for record, truth in pairs:
        counts.read += 1
        if truth is None:
            counts.unlabelled += 1
        else:
            _add(found, record, truth, use_case, counts)
    frame = pd.DataFrame.from_records(found.rows, columns=list(_columns(use_case)))
    frame = _passing(frame, use_case)
    counts.refused += len(found.rows) - len(frame)
    digests = digests_of(use_case, frame)
    newest = _newest(frame, found, digests, use_case, counts)
    places = frame.index.to_numpy()[newest]
    at = np.array(found.at, dtype=np.int64)[places]
    kept = frame.iloc[newest].reset_index(drop=True)
    return Labelled(kept, at, [digests[place] for place in newest])


def class_of(use_case: UseCase, label: Any) -> Any:
    """Return which of the classes a label of the feedback names, None: none.

    JSON's true is the class 1 as well, but no text is a number.
    """
    return next((one for one in use_case.classes if one == label), None)


def _add(
    found: _Rows, record: Logged, truth: Observed, use_case: UseCase, counts: Counts
) -> None:
    row, label = row_of(use_case, record), class_of(use_case, truth.label)
    if isinstance(row, Obstacle):
        whole = row.cause != "row not whole"
        counts.refused += whole
        counts.not_whole += not whole
    elif label is None:
        counts.refused += 1
    else:
        found.rows.append({**row.model_dump(), use_case.dataset.target: label})
        found.at.append(microseconds(record.at))
        found.observed.append((truth.observed_at, truth.received_at, record.at))


def _columns(use_case: UseCase) -> Iterable[str]:
    return (str(name) for name in use_case.dataset.schema.columns)


def _passing(frame: pd.DataFrame, use_case: UseCase) -> pd.DataFrame:
    """Return the rows that pass the table's checks; halves are tried until those that
    do not stand alone."""
    if frame.empty:
        return frame
    try:
        return check(frame, use_case.dataset.schema, "logged rows")
    except InvalidTable:
        if len(frame) == 1:
            return frame.iloc[:0]
    middle = len(frame) // 2
    halves = (frame.iloc[:middle], frame.iloc[middle:])
    passing = [part for one in halves if len(part := _passing(one, use_case))]
    return pd.concat(passing) if passing else frame.iloc[:0]


def _newest(
    frame: pd.DataFrame,
    found: _Rows,
    digests: Sequence[str],
    use_case: UseCase,
    counts: Counts,
) -> list[int]:
    """Return the place of the newest observation of each row, in the order asked."""
    observed = [found.observed[place] for place in frame.index]
    labels = frame[use_case.dataset.target].tolist()
    order = sorted(range(len(frame)), key=lambda place: observed[place])
    newest = {digests[place]: place for place in order}
    named: dict[str, set[Any]] = {}
    for digest, label in zip(digests, labels, strict=True):
        named.setdefault(digest, set()).add(label)
    counts.repeated += len(frame) - len(newest)
    counts.conflicting += sum(len(one) > 1 for one in named.values())
    return sorted(newest.values())
