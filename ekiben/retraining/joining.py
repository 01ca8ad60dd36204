"""The original table and the labelled rows of the log, as one table."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ekiben.datasets import Table
from ekiben.datasets.checks import check_labels
from ekiben.holdout import digests_of
from ekiben.retraining.labelled import Counts, Labelled
from ekiben.use_cases.use_case import UseCase


@dataclass(frozen=True)
class Joined:
    """The table to train on; `at` is when a row was asked, 0 for those of the original."""

    table: Table
    at: NDArray[np.int64]


def join(
    use_case: UseCase, original: Table, labelled: Labelled, counts: Counts, window: str
) -> Joined:
    """Put the *labelled* rows below the *original* table.

    A row that the table has with the same label is left out. With another label it
    replaces the table's: it was observed later. *window* is told on the card.

    Raises:
        InvalidTable: a label has too few rows.
    """
    target = use_case.dataset.target
    known = digests_of(use_case, original.frame)
    labels: dict[str, set[object]] = {}
    for digest, label in zip(known, original.frame[target].tolist(), strict=True):
        labels.setdefault(digest, set()).add(label)
    observed = dict(zip(labelled.digests, labelled.frame[target].tolist(), strict=True))
    added = np.array([labels.get(one) != {observed[one]} for one in observed], bool)
    newer = {one for one, new in zip(observed, added, strict=True) if new}
    kept = original.frame[[one not in newer for one in known]]
    counts.known += int((~added).sum())
    counts.relabelled += sum(one in labels for one in newer)
    counts.added += len(newer)
    frame = pd.concat([kept, labelled.frame[added]], ignore_index=True)
    at = np.concatenate([np.zeros(len(kept), np.int64), labelled.at[added]])
    check_labels(frame[target], use_case.dataset.labels, original.card.source)
    card = original.card.model_copy(
        update={
            "source": f"{original.card.source} + {counts.added} logged rows "
            f"with feedback, {window}",
            "sha256": _digest(frame),
            "rows": len(frame),
            "duplicates_dropped": original.card.duplicates_dropped
            + counts.known
            + counts.repeated,
        }
    )
    return Joined(Table(frame, card), at)


def _digest(frame: pd.DataFrame) -> str:
    text = frame.to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()
