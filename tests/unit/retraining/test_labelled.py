"""Logged rows with feedback become a table: each row once, its newest label, nothing in silence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandera.pandas as pa
import pytest

from ekiben.datasets import columns
from ekiben.monitoring.records import Logged, Observed, microseconds
from ekiben.retraining.labelled import Counts, Labelled, class_of, collect
from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.fraud import FRAUD
from ekiben.use_cases.spam import SPAM
from ekiben.use_cases.turnover import TURNOVER
from ekiben.use_cases.use_case import UseCase
from tests.logbook import logged

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


def pair(
    text: str, label: Any, asked: float = 0, observed: float = 60
) -> tuple[Logged, Observed | None]:
    record = logged("spam:a", {"text": text}, {}, minutes(asked))
    if label is None:
        return record, None
    then = minutes(observed)
    return record, Observed(record.prediction_id, label, then, then, "")


def collected(
    *pairs: tuple[Logged, Observed | None], use_case: UseCase = SPAM
) -> tuple[Labelled, Counts]:
    counts = Counts()
    return collect(pairs, use_case, counts), counts


def test_rows_come_with_their_labels_in_the_order_in_which_they_were_asked() -> None:
    found, counts = collected(
        pair("b", "spam", asked=1), pair("a", "ham", asked=2), pair("c", None)
    )
    assert found.frame.to_dict("list") == {
        "label": ["spam", "ham"],
        "text": ["b", "a"],
    }
    assert found.at.tolist() == [microseconds(minutes(one)) for one in (1, 2)]
    assert (counts.read, counts.unlabelled) == (3, 1)


def test_the_newest_observation_of_a_row_counts() -> None:
    found, counts = collected(
        pair("a", "ham", asked=0, observed=90),
        pair("a", "spam", asked=5, observed=70),
        pair("b", "ham"),
        pair("b", "ham"),
    )
    labels = dict(zip(found.frame["text"], found.frame["label"], strict=True))
    assert labels == {"a": "ham", "b": "ham"}
    assert (counts.repeated, counts.conflicting) == (2, 1)
    assert "1 with several labels, of which the newest counts" in str(counts)


def test_of_observations_of_one_time_the_one_received_later_counts() -> None:
    (record, first), (again, _) = pair("a", "ham"), pair("a", "spam")
    assert first is not None
    second = Observed(again.prediction_id, "spam", first.observed_at, minutes(99), "")
    found, _ = collected((again, second), (record, first))
    assert found.frame["label"].tolist() == ["spam"]


@pytest.mark.parametrize(
    ("row", "label", "count"),
    [
        pytest.param(
            {"text": "hmac-sha256:" + "0a" * 32}, "ham", "not_whole", id="hash"
        ),
        pytest.param({}, "ham", "not_whole", id="dropped"),
        pytest.param({"text": "   "}, "ham", "refused", id="row-refused"),
        pytest.param({"text": "hello"}, "tea", "refused", id="no-class"),
        pytest.param({"text": "hello"}, True, "refused", id="label-of-another-type"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_counted(
    row: dict[str, Any], label: Any, count: str
) -> None:
    record, truth = pair("x", label)
    found, counts = collected((replace(record, row=row), truth), pair("good", "ham"))
    assert found.frame["text"].tolist() == ["good"]
    assert getattr(counts, count) == 1


def test_the_tables_checks_refuse_the_rows_that_break_them_and_no_other() -> None:
    short = pa.DataFrameSchema(
        {
            "label": columns.choice(("ham", "spam")),
            "text": pa.Column(str, pa.Check.str_length(max_value=3, error="is long")),
        },
        strict=True,
    )
    strict = replace(SPAM, dataset=replace(SPAM.dataset, table=lambda: short))
    texts = ["abc", "abcd", "d", "e", "abcde", "f", "g"]

    found, counts = collected(*(pair(one, "ham") for one in texts), use_case=strict)

    assert found.frame["text"].tolist() == ["abc", "d", "e", "f", "g"]
    assert counts.refused == 2
    assert len(found.at) == len(found.digests) == 5


def test_a_log_without_feedback_makes_an_empty_table() -> None:
    found, counts = collected(pair("a", None))
    assert len(found.frame) == len(found.at) == len(found.digests) == 0
    assert str(counts) == "1 logged, 1 without feedback"


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda one: one.name)
def test_every_label_of_the_feedback_finds_its_class(use_case: UseCase) -> None:
    for one in use_case.classes:
        assert class_of(use_case, one) == one
    assert class_of(use_case, "no such label") is None
    assert class_of(use_case, None) is None


def test_a_flag_of_the_feedback_is_the_class_of_the_table() -> None:
    found = class_of(FRAUD, True)
    assert (found, type(found)) == (1, int)
    assert class_of(FRAUD, "1") is None


def test_rows_with_numbers_and_flags_have_the_types_of_the_table() -> None:
    record = logged("turnover:a", TURNOVER.examples[0], {}, NOON)
    truth = Observed(record.prediction_id, True, NOON, NOON, "")
    found, _ = collected((record, truth), use_case=TURNOVER)
    expected = TURNOVER.dataset.schema.columns
    assert list(found.frame.columns) == list(expected)
    assert found.frame["leaves"].dtype == bool
    assert found.frame["number_project"].dtype == "int64"
