"""The labelled rows of the log, below the original table."""

import hashlib
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from ekiben.datasets import Table
from ekiben.errors import InvalidTable, TooFewLabels
from ekiben.monitoring.records import Observed
from ekiben.retraining.job import Window, gather
from ekiben.retraining.joining import Joined
from ekiben.retraining.labelled import Counts
from ekiben.schemas.model_card import DataCard
from ekiben.use_cases.spam import SPAM
from tests.logbook import logged

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = Window(NOON, NOON + timedelta(days=1))


def original(kind: str = "sample", rows: int = 24) -> Table:
    """A table whose texts are 0, 1, 2, ..., spam where the number is odd."""
    frame = pd.DataFrame(
        {
            "label": [("ham", "spam")[n % 2] for n in range(rows)],
            "text": [str(n) for n in range(rows)],
        }
    )
    card = DataCard(
        source="generator x",
        kind=kind,
        sha256="0" * 64,
        rows=rows,
        duplicates_dropped=3,
        note="made up",
    )
    return Table(frame, card)


def joined(
    labels: dict[str, str], table: Table | None = None, fewest: int = 1
) -> tuple[Joined, Counts]:
    """Join logged texts with these labels to the table."""
    pairs = []
    for number, (text, label) in enumerate(labels.items()):
        at = NOON + timedelta(minutes=number)
        record = logged("spam:a", {"text": text}, {}, at)
        pairs.append((record, Observed(record.prediction_id, label, at, at, "")))
    return gather(SPAM, table or original(), pairs, WINDOW, fewest=fewest)


def label_of(found: Joined, text: str) -> list[str]:
    frame = found.table.frame
    labels: list[str] = frame.loc[frame["text"] == text, "label"].tolist()
    return labels


def test_new_rows_are_added_and_those_of_the_table_are_not_doubled() -> None:
    found, counts = joined({"0": "ham", "new": "spam"})

    assert (counts.known, counts.relabelled, counts.added) == (1, 0, 1)
    assert len(found.table.frame) == 25
    assert label_of(found, "0") == ["ham"]
    assert label_of(found, "new") == ["spam"]
    assert (found.at > 0).tolist() == [False] * 24 + [True]


def test_a_newer_label_replaces_that_of_the_table() -> None:
    found, counts = joined({"0": "spam"})

    assert (counts.known, counts.relabelled, counts.added) == (0, 1, 1)
    assert len(found.table.frame) == 24
    assert label_of(found, "0") == ["spam"]


def test_rows_that_the_table_has_with_both_labels_get_the_observed_one() -> None:
    table = original()
    twice = pd.DataFrame({"label": ["spam"], "text": ["0"]})
    frame = pd.concat([table.frame, twice], ignore_index=True)

    found, counts = joined({"0": "ham"}, Table(frame, table.card))

    assert label_of(found, "0") == ["ham"]
    assert counts.relabelled == 1


@pytest.mark.parametrize("kind", ["sample", "real"])
def test_the_card_says_what_the_table_is_made_of(kind: str) -> None:
    found, _ = joined({"0": "ham", "new": "spam", "other": "ham"}, original(kind))

    card = found.table.card
    assert card.kind == kind  # logged rows make no real table of a sample
    assert card.source == (
        "generator x + 2 logged rows with feedback, "
        "2026-03-01 12:00 to 2026-03-02 12:00 UTC"
    )
    assert (card.rows, card.duplicates_dropped) == (26, 4)
    assert card.note == "made up"
    text = found.table.frame.to_csv(index=False, lineterminator="\n")
    assert card.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_too_few_new_labels_are_refused_with_their_number() -> None:
    with pytest.raises(
        TooFewLabels, match=r"spam: 1 labelled rows .* 2 are needed"
    ) as one:
        joined({"new": "spam"}, fewest=2)
    assert (one.value.found, one.value.needed) == (1, 2)
    with pytest.raises(TooFewLabels, match="1 in the table already, 1 new"):
        joined({"0": "ham", "new": "spam"}, fewest=2)


def test_a_joined_table_is_checked_for_its_labels() -> None:
    with pytest.raises(InvalidTable, match="label ham has 9 row"):
        joined({str(n): "spam" for n in range(0, 6, 2)})
