"""POST /v1/{use_case}/feedback on a real server: 202, once per prediction, late or at once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ekiben.monitoring.feedback_store import FeedbackStore
from ekiben.monitoring.records import Observed
from ekiben.use_cases.catalog import USE_CASES, get_use_case
from ekiben.use_cases.use_case import UseCase
from tests.feedback import UNKNOWN, log_of, predict, tell

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def log(home: Path) -> Iterator[FeedbackStore]:
    opened = log_of(home)
    yield opened
    opened.close()


FIELDS = {
    "iris": "species",
    "turnover": "leaves",
    "fraud": "is_fraud",
    "spam": "label",
    "topics": "topic",
}
"""By use case what its answers call the label."""


def kept(log: FeedbackStore, use_case: str, identity: str) -> Observed:
    """Return what the log holds of one prediction."""
    now, hour = datetime.now(UTC), timedelta(hours=1)
    for record, truth in log.read(use_case, since=now - hour, until=now + hour):
        if record.prediction_id == identity and truth is not None:
            return truth
    raise AssertionError(f"{identity} has no feedback")


def ids_of(answers: list[dict[str, Any]]) -> list[str]:
    return [one["prediction_id"] for one in answers]


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda one: one.name)
def test_the_label_that_an_answer_names_is_a_label_to_tell(
    client: httpx.Client, log: FeedbackStore, use_case: UseCase
) -> None:
    answers = predict(client, log, use_case.name, use_case.examples)
    field = FIELDS[use_case.name]

    response = tell(
        client, use_case.name, {one["prediction_id"]: one[field] for one in answers}
    )

    assert response.status_code == 202, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    assert response.json() == {
        "accepted": len(answers),
        "duplicates": 0,
        "unknown": [],
    }
    for one in answers:
        label = kept(log, use_case.name, one["prediction_id"]).label
        assert label == use_case.label_of(one)
        assert label in use_case.classes


def test_the_same_again_is_a_duplicate_and_the_first_label_stays(
    client: httpx.Client, log: FeedbackStore
) -> None:
    (identity,) = ids_of(
        predict(client, log, "iris", get_use_case("iris").examples[:1])
    )

    first = tell(client, "iris", {identity: "setosa"})
    again = tell(client, "iris", {identity: "setosa"})
    other = tell(client, "iris", {identity.upper(): "virginica"})

    assert first.json() == {"accepted": 1, "duplicates": 0, "unknown": []}
    for one in (again, other):
        assert one.status_code == 202
        assert one.json() == {"accepted": 0, "duplicates": 1, "unknown": []}
    assert kept(log, "iris", identity).label == "setosa"


def test_one_prediction_twice_in_a_request_counts_once(
    client: httpx.Client, log: FeedbackStore
) -> None:
    (identity,) = ids_of(
        predict(client, log, "iris", get_use_case("iris").examples[:1])
    )
    item = {"prediction_id": identity, "label": "setosa"}

    response = client.post("/v1/iris/feedback", json={"items": [item, item]})

    assert response.json() == {"accepted": 1, "duplicates": 1, "unknown": []}


def test_a_prediction_of_another_use_case_is_unknown(
    client: httpx.Client, log: FeedbackStore
) -> None:
    (flower,) = ids_of(predict(client, log, "iris", get_use_case("iris").examples[:1]))
    (mine,) = ids_of(predict(client, log, "spam", get_use_case("spam").examples[:1]))

    response = tell(client, "spam", {flower: "spam", mine: "ham", UNKNOWN: "ham"})

    taken = response.json()
    assert (taken["accepted"], taken["duplicates"]) == (1, 0)
    assert sorted(taken["unknown"]) == sorted([flower, UNKNOWN])


def test_what_was_true_when_is_kept(client: httpx.Client, log: FeedbackStore) -> None:
    (identity,) = ids_of(
        predict(client, log, "iris", get_use_case("iris").examples[:1])
    )
    item = {
        "prediction_id": identity,
        "label": "setosa",
        "observed_at": "2026-03-01T12:00:00+02:00",
    }

    assert client.post("/v1/iris/feedback", json={"items": [item]}).status_code == 202

    truth = kept(log, "iris", identity)
    assert truth.observed_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert abs(truth.received_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_feedback_for_no_use_case_is_404_and_other_methods_are_405(
    client: httpx.Client,
) -> None:
    nowhere = tell(client, "nowhere", {UNKNOWN: "x"})

    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        response = client.request(method, "/v1/iris/feedback")
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"


def test_the_offline_figures_and_the_live_ones_stand_side_by_side(
    client: httpx.Client,
) -> None:
    for wanted in ("overall", "class:setosa"):
        found = client.get(f"/v1/models/iris/performance?filter={wanted}").json()
        assert found["offline"]["metrics"]
        assert found["live"]["state"] in ("measured", "measuring")
    missing = client.get("/v1/models/iris/performance?filter=class:rose")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
