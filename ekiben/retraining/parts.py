"""Which rows a retrained version learns from, and on which it is held against the incumbent.

What the incumbent has seen is learned from, what it was tested on is tested on again, so
neither version has seen a test row. Of logged rows that are new to both, the newest of each
class are tested on, as in life: a version is asked what comes after its training.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ekiben.errors import InvalidTable
from ekiben.holdout import NoEvidence, digests_of, read_holdout, unseen
from ekiben.retraining.joining import Joined
from ekiben.training import TEST_SHARE, VALIDATION_SHARE, Split
from ekiben.use_cases.use_case import UseCase

Mask = NDArray[np.bool_]


def parts_of(
    use_case: UseCase,
    joined: Joined,
    incumbent: Mapping[str, bytes],
    rng: np.random.Generator,
) -> Split:
    """Split the rows of *joined*; *incumbent* are the files of the production version.

    Raises:
        InvalidTable: a class would have no row in one of the parts.
    """
    frame = joined.table.frame
    labels = np.array(frame[use_case.dataset.target].tolist())
    digests = digests_of(use_case, frame)
    seen, tested = _known(use_case, joined, digests, incumbent)
    new, logged = ~(seen | tested), joined.at > 0
    order = np.where(logged, joined.at, rng.permutation(len(labels)) - len(labels))
    test = tested.copy()
    for rows in (new & logged, new & ~logged):
        test |= _last_of_each(labels, rows, order, TEST_SHARE)
    # Rows with the same fields and several labels stay together.
    learned = {one for one, out in zip(digests, test, strict=True) if not out}
    test &= tested | np.array([one not in learned for one in digests], bool)
    drawn = rng.permutation(len(labels))
    share = VALIDATION_SHARE / (1 - TEST_SHARE)
    validation = _last_of_each(labels, ~test, drawn, share)
    masks = {"training": ~(test | validation), "validation": validation, "test": test}
    _check(use_case, joined, labels, masks)
    return Split(*(np.flatnonzero(mask) for mask in masks.values()))


def _known(
    use_case: UseCase,
    joined: Joined,
    digests: Sequence[str],
    incumbent: Mapping[str, bytes],
) -> tuple[Mask, Mask]:
    """Tell which rows the incumbent has seen, and which it was tested on."""
    frame, none = joined.table.frame, np.zeros(len(digests), dtype=bool)
    fresh = unseen(use_case, frame, incumbent)
    seen = none if fresh is None else ~fresh
    try:
        holdout = read_holdout(use_case, incumbent)
    except NoEvidence:
        return seen, none
    held = frozenset(digests_of(use_case, holdout.frame))
    tested = np.array([one in held for one in digests], dtype=bool)
    if (holdout.weights > 1).any():
        # Of many test rows some are kept. Tested on alone, those would distort the
        # shares of the classes, so all that may have been among them come along.
        tested |= joined.at == 0
    return seen, tested & ~seen


def _last_of_each(
    labels: NDArray[np.generic], rows: Mask, order: NDArray[np.int64], share: float
) -> Mask:
    """Mark the last *share* of the *rows* of each class."""
    found = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels[rows]):
        places = np.flatnonzero(rows & (labels == label))
        places = places[np.argsort(order[places], kind="stable")]
        count = round(len(places) * share)
        found[places[len(places) - count :]] = True
    return found


def _check(
    use_case: UseCase,
    joined: Joined,
    labels: NDArray[np.generic],
    masks: Mapping[str, Mask],
) -> None:
    column = use_case.dataset.target
    problems = [
        f"column {column}: label {label} has no row in the {name} part"
        for name, mask in masks.items()
        for label in use_case.classes
        if not (labels[mask] == label).any()
    ]
    if problems:
        raise InvalidTable(joined.table.card.source, problems)
