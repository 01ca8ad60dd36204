"""Feedback in SQLite and in PostgreSQL: kept once, whoever sends it, and joined again."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from uuid_utils import uuid7

from ekiben.errors import LogUnavailable
from ekiben.monitoring.entries import Encoder
from ekiben.monitoring.feedback_store import (
    Counted,
    FeedbackStore,
    Recorded,
    Window,
)
from ekiben.monitoring.ids import NUMBERS
from ekiben.monitoring.opening import LateStore
from ekiben.monitoring.records import Logged, Observed
from ekiben.monitoring.sink import Sink
from ekiben.monitoring.store import PredictionStore
from ekiben.schemas.fraud import Transaction
from ekiben.schemas.spam import Message
from ekiben.use_cases.columns import Columns
from tests.logbook import NOON, line_of, spam_at, stamped, write
from tests.servers import PROJECT

DAY = timedelta(days=1)


@pytest.fixture
def log(url: str) -> Iterator[FeedbackStore]:
    with FeedbackStore.opened(url) as opened:
        yield opened


def told(one: Logged, label: object = "ham", *, after: float = 60.0) -> Observed:
    came = one.at + timedelta(seconds=after)
    return Observed(one.prediction_id, label, came, came, "k-1")


def window(until: datetime = NOON + DAY, most: int = 1000) -> Window:
    return Window("spam", NOON, until, most)


def test_feedback_comes_back_with_its_prediction(log: FeedbackStore) -> None:
    records = [spam_at(minute) for minute in range(3)]
    write(log, records)
    truth = told(records[1], "spam")

    assert log.record([truth]) == Recorded(1, 0, 0)

    found = list(log.read("spam", since=NOON, until=NOON + DAY))
    assert found == [(records[0], None), (records[1], truth), (records[2], None)]


def test_only_predictions_of_the_use_case_are_known(log: FeedbackStore) -> None:
    mine, other = spam_at(), spam_at(tag="iris:a")
    write(log, [mine, other])
    ids = [mine.prediction_id, other.prediction_id, str(uuid7())]

    assert log.known("spam", ids) == {mine.prediction_id}
    assert log.known("spam", []) == set()


def test_the_first_label_stays_and_another_one_is_told(log: FeedbackStore) -> None:
    one, two = spam_at(), spam_at()
    write(log, [one, two])
    log.record([told(one, "spam")])

    again = log.record([told(one, "spam"), told(one, "ham"), told(two), told(two, 1)])

    assert again == Recorded(accepted=1, duplicates=3, differing=2)
    labels = {
        record.prediction_id: truth.label
        for record, truth in log.read("spam", since=NOON, until=NOON + DAY)
        if truth
    }
    assert labels == {one.prediction_id: "spam", two.prediction_id: "ham"}


def test_a_thousand_at_once(log: FeedbackStore) -> None:
    records = [spam_at() for _ in range(1000)]
    write(log, records)
    told_all = [told(one) for one in records]

    assert len(log.known("spam", [one.prediction_id for one in records])) == 1000
    assert log.record(told_all) == Recorded(1000, 0, 0)
    assert log.record(told_all[::-1]) == Recorded(0, 1000, 0)


CHILD = """
import json, sys
from datetime import UTC, datetime
from ekiben.monitoring.feedback_store import FeedbackStore
from ekiben.monitoring.records import Observed
url, turn, *ids = sys.argv[1:]
now = datetime.now(UTC)
with FeedbackStore.opened(url) as store:
    input()
    ids = ids[::-1] if turn == "1" else ids
    total = 0
    for start in range(0, len(ids), 50):
        part = [Observed(one, turn, now, now, turn) for one in ids[start : start + 50]]
        total += store.record(part).accepted
print(total)
"""


def test_of_processes_that_post_the_same_each_item_is_accepted_exactly_once(
    log: FeedbackStore, url: str
) -> None:
    records = [spam_at() for _ in range(400)]
    write(log, records)
    ids = [one.prediction_id for one in records]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, url, turn, *ids],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for turn in ("0", "1", "2")
    ]

    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    accepted = [int(child.communicate(timeout=60)[0]) for child in children]

    assert sum(accepted) == 400
    kept = [truth for _, truth in log.read("spam", since=NOON, until=NOON + DAY)]
    writers = [truth.label for truth in kept if truth]
    assert [writers.count(turn) for turn in ("0", "1", "2")] == accepted


def test_versions_are_counted_the_newest_first(log: FeedbackStore) -> None:
    old, new = (
        [spam_at(m) for m in range(4)],
        [spam_at(m, tag="spam:b") for m in (2, 9)],
    )
    write(log, [*old, *new, spam_at(1, tag="iris:a")])
    log.record([told(old[0]), told(old[3]), told(new[0])])

    assert log.count_by_version(window()) == [
        Counted("spam:b", 2, 1, new[0].at),
        Counted("spam:a", 4, 2, NOON),
    ]
    assert log.count_by_version(window(until=NOON + timedelta(minutes=3))) == [
        Counted("spam:a", 3, 1, NOON),
        Counted("spam:b", 1, 1, new[0].at),
    ]
    assert log.count_by_version(window(most=2)) == [
        Counted("spam:b", 1, 0, new[1].at),
        Counted("spam:a", 1, 1, old[3].at),
    ]


def test_the_newest_that_are_labelled_are_read(log: FeedbackStore) -> None:
    records = [spam_at(minute) for minute in range(5)]
    write(log, records)
    log.record([told(one) for one in records[:4]])

    def minutes(most: int, limit: int) -> Sequence[str]:
        return [o.row["text"] for o in log.labelled(window(most=most), limit)]

    assert minutes(9, 9) == ["minute 3", "minute 2", "minute 1", "minute 0"]
    assert minutes(9, 2) == ["minute 3", "minute 2"]
    assert minutes(3, 9) == ["minute 3", "minute 2"]
    assert {str(o.row) for o in log.labelled(window(), 9, rows=False)} == {"{}"}


def test_delays_are_of_the_labels_that_came_in_the_time(log: FeedbackStore) -> None:
    early, late = spam_at(0), spam_at(10)
    other = spam_at(tag="iris:a")
    write(log, [early, late, other])
    log.record([told(early, after=7200), told(late, after=30), told(other, after=9)])
    hour = NOON + timedelta(hours=1)

    assert sorted(log.delays("spam", NOON, NOON + DAY, 10)) == [30, 7200]
    assert log.delays("spam", NOON, hour, 10) == [30]
    assert log.delays("spam", hour, NOON + DAY, 10) == [7200]


def test_the_first_prediction_without_feedback_is_found(log: FeedbackStore) -> None:
    records = [spam_at(minute) for minute in range(4)]
    write(log, records)
    log.record([told(records[0]), told(records[1]), told(records[3])])

    assert log.first_unlabelled("spam", NOON) == records[2].at
    assert log.first_unlabelled("spam", records[3].at) is None


def test_rows_of_one_request_have_feedback_of_their_own(
    log: FeedbackStore, url: str
) -> None:
    begin, answered = stamped([{"label": "ham"}] * 4, "spam:a")
    ids = [begin + end for end in NUMBERS[:4]]
    asked = [Message(text=f"row {number}") for number in range(4)]
    at = NOON.timestamp()
    encoder = Encoder()
    entry = encoder.entry("spam", "spam:a", at, begin, asked, answered, 4, 0.1, "r", "")
    sink = Sink(url, durable=False, wait=5)
    sink.write([line_of(encoder, entry)])
    sink.close()
    later = NOON + timedelta(minutes=1)
    unknown = begin + NUMBERS[4]

    assert log.known("spam", [*ids, unknown]) == set(ids)
    told_of = [Observed(ids[n], f"label {n}", later, later, "") for n in (3, 1)]
    assert log.record(told_of) == Recorded(2, 0, 0)
    assert log.record(told_of[:1]) == Recorded(0, 1, 0)

    assert log.count_by_version(window()) == [Counted("spam:a", 4, 2, NOON)]
    found = log.labelled(window(), 9)
    assert [(one.row["text"], one.label) for one in found] == [
        ("row 1", "label 1"),
        ("row 3", "label 3"),
    ]
    assert {str(one.answer) for one in found} == {"{'label': 'ham'}"}
    assert log.first_unlabelled("spam", NOON) == NOON
    assert log.delays("spam", NOON, NOON + DAY, 10) == [60, 60]
    log.record([Observed(ids[n], "x", later, later, "") for n in (0, 2)])
    assert log.first_unlabelled("spam", NOON) is None


def test_rows_of_a_wide_table_come_back_to_the_bit(
    log: FeedbackStore, url: str
) -> None:
    names = list(Transaction.model_fields)
    numbers = np.random.default_rng(7).normal(size=(len(names), 3)) * 1e3
    rows = Columns(Transaction, dict(zip(names, numbers, strict=True)))
    begin, answered = stamped([{"is_fraud": False}] * 3, "fraud:a")
    at = NOON.timestamp()
    encoder = Encoder()
    entry = encoder.entry("fraud", "fraud:a", at, begin, rows, answered, 3, 0.1, "", "")
    with closing(Sink(url, durable=False, wait=5)) as sink:
        sink.write([line_of(encoder, entry)])
    later = NOON + timedelta(minutes=1)
    log.record([Observed(begin + NUMBERS[2], True, later, later, "")])

    with PredictionStore.opened(url) as store:
        kept = [store.find(begin + NUMBERS[n]).row for n in range(3)]
        read = [one.row for one, _ in store.read("fraud", since=NOON, until=later)]
    (labelled,) = log.labelled(Window("fraud", NOON, later, 9), 9)

    assert kept == read == rows.fields()
    assert labelled.row == rows.fields()[2]


def test_a_log_that_was_away_at_first_is_opened_later(tmp_path: Path) -> None:
    blocked = tmp_path / "home"
    blocked.write_text("no directory")
    store = LateStore(f"sqlite:///{blocked / 'log.db'}")

    with pytest.raises(LogUnavailable):
        store()
    blocked.unlink()

    opened = {id(store()) for _ in range(3)}
    threads = [threading.Thread(target=lambda: opened.add(id(store()))) for _ in "abc"]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(opened) == 1
    store().close()
