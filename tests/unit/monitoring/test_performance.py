"""Which predictions count for live quality, and that they are measured as training does."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from uuid_utils import uuid7

from ekiben.evaluation import evaluate
from ekiben.monitoring.feedback_store import FeedbackStore, Labelled
from ekiben.monitoring.performance import (
    Bounds,
    Matured,
    delay_of,
    evaluation_of,
    figures_of,
    measure,
    read_matured,
    stated_by,
)
from ekiben.monitoring.records import HASHED, Logged, Observed
from ekiben.use_cases.catalog import get_use_case
from tests.logbook import write

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
MONTH_AGO = NOW - timedelta(days=30)
HOUR = 3600.0
DAY = 24 * HOUR
SPAM = get_use_case("spam")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FeedbackStore]:
    with FeedbackStore.opened(f"sqlite:///{tmp_path / 'log.db'}") as opened:
        yield opened


def answered(age: float, *, p: float = 0.9, tag: str = "spam:a") -> Logged:
    return Logged(
        prediction_id=str(uuid7()),
        use_case="spam",
        tag=tag,
        at=NOW - timedelta(seconds=age),
        row={"text": "win"},
        answer={
            "label": "spam" if p >= 0.5 else "ham",
            "probability": p,
            "threshold": 0.5,
        },
        batch_rows=1,
        seconds=0.01,
        request_id="r",
        caller="",
    )


def keep(log: FeedbackStore, told: Sequence[tuple[Logged, str | None, float]]) -> None:
    """Log predictions, each with its label and how many seconds later that came."""
    write(log, [one for one, _, _ in told])
    observed = [
        Observed(one.prediction_id, label, came, came, "")
        for one, label, after in told
        for came in [one.at + timedelta(seconds=after)]
        if label is not None and came <= NOW
    ]
    log.record(observed)


def read(log: FeedbackStore, **more: Any) -> Matured:
    return read_matured(log, "spam", since=MONTH_AGO, now=NOW, **more)


def test_without_labels_nothing_counts(log: FeedbackStore) -> None:
    keep(log, [(answered(DAY), None, 0)])

    found = read(log)

    assert found.versions == []
    assert found.cohort.maturity_seconds is None
    assert found.cohort.label_delay is None


def test_fast_labels_of_young_predictions_do_not_count(log: FeedbackStore) -> None:
    # What is flagged is looked at within a minute, and wrongly flagged; the rest takes days.
    days = [
        (answered(day * DAY, p=0.9 if day % 10 == 0 else 0.1), "ham",
         60.0 if day % 10 == 0 else 3 * DAY)
        for day in np.arange(0.5, 30, 0.5).tolist()
    ]  # fmt: skip
    young = [(answered(hour * HOUR), "ham", 60.0) for hour in range(2, 12)]
    young += [
        (answered(hour * HOUR + 60, p=0.1), "ham", 3 * DAY) for hour in range(2, 12)
    ]
    keep(log, [*days, *young])

    found = read(log)

    assert found.cohort.label_delay is not None
    assert found.cohort.label_delay.median_seconds == 3 * DAY
    assert found.cohort.maturity_seconds == 3 * DAY
    # The label of the one that is three days old came right now.
    assert found.cohort.until == NOW - timedelta(days=2.5)
    (version,) = found.versions
    assert version.counted.with_feedback == version.counted.predictions == 54
    assert figures_of(SPAM, version.labelled)["accuracy"] > 0.9
    everything = read(log, maturity=timedelta(0)).versions[0]
    assert figures_of(SPAM, everything.labelled)["accuracy"] < 0.85


def test_young_predictions_count_where_every_one_has_its_label(
    log: FeedbackStore,
) -> None:
    keep(log, [(answered(10 * age + 1), "spam", 0.9) for age in range(100)])
    keep(log, [(answered(1000 + age), "spam", 500.0) for age in range(20)])

    found = read(log)

    assert found.cohort.maturity_seconds == 500.0
    assert found.cohort.until == NOW
    assert found.versions[0].counted.predictions == 120


def test_a_set_maturity_is_kept_to_the_letter(log: FeedbackStore) -> None:
    keep(log, [(answered(hour * HOUR), "spam", 1.0) for hour in (1, 2, 3)])

    found = read(log, maturity=timedelta(hours=2))

    assert found.cohort.maturity == "set"
    assert found.cohort.maturity_seconds == 2 * HOUR
    # Of two hours to the microsecond: a cohort ends before its bound.
    assert found.versions[0].counted.predictions == 1


def test_coverage_is_of_the_predictions_that_count(log: FeedbackStore) -> None:
    keep(log, [(answered(hour * HOUR), "spam", 60.0) for hour in range(10, 15)])
    keep(log, [(answered(hour * HOUR), None, 0) for hour in range(2, 17)])

    quality = measure(SPAM, read(log), NOW)

    (version,) = quality.versions
    assert (version.predictions, version.with_feedback) == (20, 5)
    assert version.coverage == 0.25


def test_reading_is_bounded_and_says_so(log: FeedbackStore) -> None:
    keep(log, [(answered(hour * HOUR), "spam", 60.0) for hour in range(1, 11)])

    found = read(log, bounds=Bounds(predictions=4, labelled=3))

    assert not found.cohort.complete
    assert found.cohort.since == NOW - timedelta(hours=4)
    assert found.versions[0].counted.predictions == 4
    assert len(found.versions[0].labelled) == 3


def test_each_version_is_measured_alone(log: FeedbackStore) -> None:
    keep(log, [(answered(2 * DAY + n, tag="spam:a"), "spam", 60.0) for n in range(5)])
    keep(log, [(answered(DAY + n, tag="spam:b"), "ham", 60.0) for n in range(5)])

    quality = measure(SPAM, read(log), NOW)

    accuracies = {
        one.model: one.evaluation.overall["accuracy"].value
        for one in quality.versions
        if one.evaluation
    }
    assert accuracies == {"spam:b": 0.0, "spam:a": 1.0}
    assert [one.model for one in quality.versions] == ["spam:b", "spam:a"]


@pytest.mark.parametrize("name", ["iris", "turnover", "fraud", "spam", "topics"])
def test_every_use_case_is_measured_as_training_does(name: str, trainings: Any) -> None:
    use_case, trained = get_use_case(name), trainings.trained(name)
    rows = [one.row for one in trained.golden]
    answers = [one.prediction for one in trained.golden]
    rng = np.random.default_rng(0)
    labels = [
        use_case.classes[n] for n in rng.integers(len(use_case.classes), size=len(rows))
    ]
    labelled = [
        Labelled("t", row, answer, label)
        for row, answer, label in zip(rows, answers, labels, strict=True)
    ]
    encoded = use_case.encoding.from_rows(
        [use_case.row.model_validate(r) for r in rows]
    )
    predictor = trained.predictor
    scored = predictor.probabilities(encoded, len(rows))

    expected = evaluate(
        labels,
        [use_case.label_of(one) for one in use_case.answer(scored, predictor.decision)],
        use_case.probabilities_of(scored, predictor.decision),
        classes=use_case.classes,
        metrics=use_case.metrics,
        slices={},
        rng=np.random.default_rng(0),
    )

    found = evaluation_of(use_case, labelled)
    assert found is not None
    assert found.rows == expected.rows == len(rows)
    assert found.overall.keys() == expected.overall.keys()
    for metric, figure in expected.overall.items():
        for part in ("value", "low", "high"):
            assert getattr(found.overall[metric], part) == pytest.approx(
                getattr(figure, part), abs=1e-9
            )
        assert figures_of(use_case, labelled)[metric] == pytest.approx(
            figure.value, abs=1e-9
        )
    assert found.per_slice.keys() == use_case.slices.keys()


def labelled(text: str = "win") -> Labelled:
    answer = {"label": "spam", "probability": 0.9, "threshold": 0.5}
    return Labelled("spam:a", {"text": text}, answer, "spam")


def test_what_does_not_fit_the_use_case_as_it_is_now_is_left_out() -> None:
    other_answer = Labelled("spam:a", {}, {"verdict": 1}, "spam")
    other_label = Labelled("spam:a", {"text": "a"}, labelled().answer, "junk")

    found = evaluation_of(SPAM, [labelled(), other_answer, other_label])

    assert found is not None
    assert found.rows == 1
    assert evaluation_of(SPAM, [other_answer]) is None
    assert figures_of(SPAM, [other_label]) == {}


def test_a_slice_by_a_field_that_is_not_kept_is_left_out() -> None:
    for hidden in (
        labelled(HASHED + "0" * 64),
        Labelled("t", {}, labelled().answer, "spam"),
    ):
        found = evaluation_of(SPAM, [hidden] * 30)
        assert found is not None
        assert found.per_slice == {}
        assert found.overall["accuracy"].value == 1.0


def test_an_answer_without_probabilities_is_measured_by_its_labels() -> None:
    bare = Labelled("spam:a", {"text": "win"}, {"label": "spam"}, "spam")

    assert stated_by(bare.answer, SPAM.classes) is None
    assert set(figures_of(SPAM, [bare])) == {"f1", "precision", "recall", "accuracy"}


def test_the_delay_is_described() -> None:
    assert delay_of([]) is None
    found = delay_of([float(n) for n in range(1, 12)])
    assert found is not None
    assert (found.labels, found.median_seconds, found.p90_seconds) == (11, 6.0, 10.0)
