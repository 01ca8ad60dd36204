"""Neither a retrained version nor its incumbent has seen a row that they are compared on."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from ekiben import holdout
from ekiben.datasets import Table
from ekiben.errors import InvalidTable
from ekiben.holdout import digests_of, evidence, read_holdout, unseen
from ekiben.retraining.joining import Joined
from ekiben.retraining.parts import parts_of
from ekiben.schemas.model_card import DataCard
from ekiben.training import Split, split
from ekiben.use_cases.spam import SPAM

CARD = DataCard(
    source="x", kind="sample", sha256="0" * 64, rows=0, duplicates_dropped=0
)
OLD, NEW = 200, 100


def frame_of(start: int, count: int) -> pd.DataFrame:
    numbers = range(start, start + count)
    return pd.DataFrame(
        {
            "label": [("ham", "spam")[n % 4 == 0] for n in numbers],
            "text": [f"text {n}" for n in numbers],
        }
    )


def incumbent(frame: pd.DataFrame) -> dict[str, bytes]:
    """Return the evidence of a version that was trained on *frame*."""
    rng = np.random.default_rng(5)
    test = split(np.array(frame["label"].tolist()), rng).test
    return evidence(SPAM, frame, test, rng)


def joined(frame: pd.DataFrame, logged: int) -> Joined:
    """Return *frame*, whose last rows come from the log, a minute apart."""
    at = np.zeros(len(frame), dtype=np.int64)
    at[len(frame) - logged :] = 1_000_000 + np.arange(logged) * 60
    return Joined(Table(frame, CARD), at)


def split_of(found: Joined, files: dict[str, bytes]) -> Split:
    return parts_of(SPAM, found, files, np.random.default_rng(0))


def texts(frame: pd.DataFrame, places: NDArray[np.intp]) -> set[str]:
    return set(frame["text"].iloc[places])


def test_no_test_row_was_seen_by_either_version() -> None:
    original, logged = frame_of(0, OLD), frame_of(OLD, NEW)
    files, frame = incumbent(original), pd.concat([original, logged], ignore_index=True)

    parts = split_of(joined(frame, NEW), files)

    fresh = unseen(SPAM, frame, files)
    assert fresh is not None
    assert fresh[parts.test].all()
    learned = np.concatenate([parts.train, parts.validation])
    assert not texts(frame, learned) & texts(frame, parts.test)
    everything = np.sort(np.concatenate([learned, parts.test]))
    assert everything.tolist() == list(range(OLD + NEW))


def test_a_split_by_chance_would_leak() -> None:
    frame, files = frame_of(0, OLD + NEW), incumbent(frame_of(0, OLD))

    parts = split(np.array(frame["label"].tolist()), np.random.default_rng(0))

    fresh = unseen(SPAM, frame, files)
    assert fresh is not None
    assert not fresh[parts.test].all()
    held = set(read_holdout(SPAM, files).frame["text"])
    assert held & texts(frame, parts.train)


def test_what_the_incumbent_was_tested_on_is_tested_on_again() -> None:
    original, logged = frame_of(0, OLD), frame_of(OLD, NEW)
    files, frame = incumbent(original), pd.concat([original, logged], ignore_index=True)

    parts = split_of(joined(frame, NEW), files)

    held = set(read_holdout(SPAM, files).frame["text"])
    assert len(held) == OLD // 5
    assert {
        one for one in texts(frame, parts.test) if one in set(original["text"])
    } == held


def test_of_logged_rows_the_newest_of_each_class_are_tested_on() -> None:
    original, logged = frame_of(0, OLD), frame_of(OLD, NEW)
    files, frame = incumbent(original), pd.concat([original, logged], ignore_index=True)
    # Asked in another order than they lie in the table.
    found = joined(frame, NEW)
    found.at[OLD:] = found.at[OLD:][::-1].copy()

    parts = split_of(found, files)

    newest = texts(frame, parts.test) & set(logged["text"])
    ham = [f"text {n}" for n in range(OLD, OLD + NEW) if n % 4]
    spam = [f"text {n}" for n in range(OLD, OLD + NEW) if n % 4 == 0]
    assert newest == {*ham[:15], *spam[:5]}


def test_logged_rows_that_the_incumbent_has_seen_are_learned_from_again() -> None:
    everything = frame_of(0, OLD + NEW)
    files = incumbent(everything)  # it was itself retrained on the logged rows

    parts = split_of(joined(everything, NEW), files)

    held = set(read_holdout(SPAM, files).frame["text"])
    assert texts(everything, parts.test) == held


def test_each_class_is_in_each_part_and_a_fifth_is_for_the_threshold() -> None:
    frame = frame_of(0, OLD + NEW)

    parts = split_of(joined(frame, NEW), incumbent(frame_of(0, OLD)))

    for places in (parts.train, parts.validation, parts.test):
        assert set(frame["label"].iloc[places]) == {"ham", "spam"}
    assert abs(len(parts.validation) - 0.2 * len(frame)) <= 2
    assert abs(len(parts.test) - 0.2 * len(frame)) <= 2


def test_new_rows_of_a_grown_table_are_split_by_chance() -> None:
    frame = frame_of(0, OLD + NEW)

    parts = split_of(joined(frame, 0), incumbent(frame_of(0, OLD)))

    fresh = [place for place in parts.test if place >= OLD]
    assert len(fresh) == NEW // 5
    assert min(fresh) < OLD + NEW // 2  # not the last of them


def test_rows_with_equal_fields_and_two_labels_are_not_torn_apart() -> None:
    grown = frame_of(OLD, NEW)
    other = grown.assign(
        label=["spam" if one == "ham" else "ham" for one in grown["label"]]
    )
    frame = pd.concat([frame_of(0, OLD), grown, other], ignore_index=True)

    parts = split_of(joined(frame, 0), incumbent(frame_of(0, OLD)))

    digests = digests_of(SPAM, frame)
    tested = {digests[place] for place in parts.test}
    learned = np.concatenate([parts.train, parts.validation])
    assert not tested & {digests[place] for place in learned}


def test_of_a_thinned_holdout_all_that_may_have_been_in_it_is_tested_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = frame_of(0, OLD)
    thin = holdout.thin_out
    monkeypatch.setattr(
        holdout, "thin_out", lambda labels, rng: thin(labels, rng, most=12)
    )
    files = incumbent(original)
    assert len(read_holdout(SPAM, files).frame) == 12

    parts = split_of(joined(original, 0), files)

    fresh = unseen(SPAM, original, files)
    assert fresh is not None
    assert parts.test.tolist() == np.flatnonzero(fresh).tolist()


def test_without_evidence_of_the_incumbent_the_rows_are_split_as_new() -> None:
    frame = frame_of(0, OLD)

    parts = split_of(joined(frame, 0), {})

    assert len(parts.test) == OLD // 5


def test_an_incumbent_that_has_seen_every_row_leaves_none_to_be_tested_on() -> None:
    frame = frame_of(0, OLD)
    files = incumbent(frame)
    fresh = unseen(SPAM, frame, files)
    assert fresh is not None
    with pytest.raises(InvalidTable, match="has no row in the test part"):
        split_of(joined(frame[~fresh].reset_index(drop=True), 0), files)


def test_the_split_is_the_same_for_the_same_seed() -> None:
    found, files = joined(frame_of(0, OLD + NEW), NEW), incumbent(frame_of(0, OLD))
    first, second = split_of(found, files), split_of(found, files)
    assert first.train.tolist() == second.train.tolist()
    assert first.validation.tolist() == second.validation.tolist()
