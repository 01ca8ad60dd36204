"""What drift must tell of the real use cases, and when it must be silent."""

from dataclasses import replace

import numpy as np
import pytest

from tests.drifting import (
    LIVE_ROWS,
    Rows,
    draw,
    drift_of,
    logged,
    shifted,
    unseen_rows,
)
from tests.models import Trainings

pytestmark = pytest.mark.models

RUNS = 20
FOREIGN = (
    "Herzlichen Glückwunsch, Sie haben gewonnen! Rufen Sie jetzt sofort {} an",
    "Ihr Gutschein verfällt heute, antworten Sie schnell mit JA an {}",
    "Gratulation! Wöchentliche Verlosung, Ihr Gewinn liegt bereit unter {}",
    "Félicitations, vous avez gagné un voyage, appelez vite le {}",
    "Votre colis attend, confirmez votre adresse au numéro {}",
)
"""Spam in languages that the training table does not have."""


def live(trainings: Trainings, name: str, seed: int) -> Rows:
    rows = unseen_rows(trainings, name)
    return draw(rows, LIVE_ROWS, np.random.default_rng(seed))


@pytest.mark.parametrize("deviations", [0.5, -0.5])
@pytest.mark.parametrize(
    "field",
    [
        "satisfaction_level",
        "last_evaluation",
        "number_project",
        "average_monthly_hours",
        "time_spend_company",
    ],
)
def test_half_a_deviation_names_that_field_and_only_it(
    field: str, deviations: float, trainings: Trainings
) -> None:
    rows = shifted(live(trainings, "turnover", 1), field, deviations)

    found = drift_of(
        trainings, "turnover", logged(trainings.predictor("turnover"), rows)
    )

    assert found.verdict == "drifted"
    assert found.explained_by == (field,)
    assert found.watched == ()
    assert field in found.words


@pytest.mark.parametrize("field", ["work_accident", "promotion_last_5years"])
def test_so_does_a_flag_that_is_set_more_often(
    field: str, trainings: Trainings
) -> None:
    rows = shifted(live(trainings, "turnover", 2), field, 0.5)

    found = drift_of(
        trainings, "turnover", logged(trainings.predictor("turnover"), rows)
    )

    assert (found.explained_by, found.watched) == ((field,), ())


def test_a_department_that_grows_is_named(trainings: Trainings) -> None:
    rows = live(trainings, "turnover", 3)
    moved = [
        row | {"department": "hr"} if place % 5 == 0 else row
        for place, row in enumerate(rows)
    ]

    found = drift_of(
        trainings, "turnover", logged(trainings.predictor("turnover"), moved)
    )

    assert found.explained_by == ("department",)
    assert "hr: " in found.words


@pytest.mark.parametrize("name", ["turnover", "spam", "topics", "iris"])
def test_twenty_unshifted_runs_raise_no_alarm(name: str, trainings: Trainings) -> None:
    predictor, runs = trainings.predictor(name), RUNS if name == "turnover" else 3

    found = [
        drift_of(trainings, name, logged(predictor, live(trainings, name, seed)))
        for seed in range(runs)
    ]

    assert {one.verdict for one in found} == {"none"}
    assert {one.not_computed for one in found} == {()}


@pytest.mark.parametrize("name", ["turnover", "spam", "iris"])
def test_rows_of_the_training_table_raise_no_alarm(
    name: str, trainings: Trainings
) -> None:
    """Their words are all known, which is less than usual and no harm."""
    predictor = trainings.predictor(name)
    rows = predictor.use_case.encoding.rows_of(trainings.table(name).frame)
    drawn = draw(rows, LIVE_ROWS, np.random.default_rng(8))

    assert drift_of(trainings, name, logged(predictor, drawn)).verdict == "none"


def test_foreign_spam_is_out_of_vocabulary(trainings: Trainings) -> None:
    rows = live(trainings, "spam", 4)
    spam = [
        {"text": FOREIGN[place % 5].format(8000 + place)} for place in range(LIVE_ROWS)
    ]
    mixed = [
        foreign if place % 4 == 0 else row
        for place, (row, foreign) in enumerate(zip(rows, spam, strict=True))
    ]

    found = drift_of(trainings, "spam", logged(trainings.predictor("spam"), mixed))

    (text,) = found.fields
    by_signal = {one.signal: one.verdict for one in text.signals}
    assert found.explained_by == ("text",)
    assert by_signal["out-of-vocabulary words"] == "drifted"
    assert "text (out-of-vocabulary words: mean" in found.words


def test_a_message_that_the_log_hashes_or_drops_is_not_called_drift(
    trainings: Trainings,
) -> None:
    records = logged(trainings.predictor("spam"), live(trainings, "spam", 5))
    kept: list[dict[str, str]] = [{"text": "hmac-sha256:" + "0a" * 32}, {}]
    for row in kept:
        bare = [replace(record, row=row) for record in records]

        found = drift_of(trainings, "spam", bare)

        assert found.verdict == "none"
        assert [one.partition(":")[0] for one in found.not_computed] == [
            "text, length",
            "text, out-of-vocabulary words",
        ]
        assert "not everything could be computed" in found.words
        assert found.fields[0].withheld == LIVE_ROWS


def test_frauds_as_rare_as_they_are_raise_no_alarm(trainings: Trainings) -> None:
    """The table has far more frauds than there are; its reference has as few as there are."""
    rows = unseen_rows(trainings, "fraud")
    labels = trainings.test_part("fraud")["is_fraud"].to_numpy()
    genuine, frauds = (
        [rows[place] for place in np.flatnonzero(labels == kind)] for kind in (0, 1)
    )
    rng = np.random.default_rng(6)
    usual = draw(genuine, LIVE_ROWS - 4, rng) + draw(frauds, 4, rng)
    predictor = trainings.predictor("fraud")

    assert drift_of(trainings, "fraud", logged(predictor, usual)).verdict == "none"
    many = drift_of(trainings, "fraud", logged(predictor, draw(rows, LIVE_ROWS, rng)))
    assert many.verdict == "drifted"
    assert many.prediction
    assert many.prediction.verdict == "drifted"
