import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette

from ekiben.access.caller import ANONYMOUS
from ekiben.errors import LogUnavailable, Overloaded
from ekiben.schemas.feedback import EXAMPLE_ID, FeedbackAccepted, FeedbackItem
from ekiben.serving import feedback_route
from ekiben.serving.edge import InvalidRequest, Refused
from ekiben.serving.feedback_route import FeedbackRoute
from ekiben.serving.intake import Intake
from ekiben.serving.problems import validation_problem
from ekiben.use_cases.catalog import USE_CASES

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Taker:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def take(
        self, use_case: str, items: Sequence[FeedbackItem], at: datetime, caller: str
    ) -> FeedbackAccepted:
        if self.error:
            raise self.error
        return FeedbackAccepted(accepted=len(items), duplicates=0, unknown=[])


def route(error: Exception | None = None) -> FeedbackRoute:
    return FeedbackRoute(USE_CASES, cast("Intake", Taker(error)), 10_000, lambda: NOON)


def body(**more: Any) -> bytes:
    item = {"prediction_id": EXAMPLE_ID, "label": "setosa"} | more
    return json.dumps({"items": [item]}).encode()


@pytest.mark.parametrize(
    ("use_case", "label", "kept"),
    [
        ("iris", "virginica", "virginica"),
        ("turnover", True, True),
        ("turnover", False, False),
        ("fraud", 1, 1),
        ("fraud", False, 0),
        ("spam", "ham", "ham"),
        ("topics", "mlops", "mlops"),
    ],
)
def test_a_label_is_one_of_the_use_case(use_case: str, label: Any, kept: Any) -> None:
    (item,) = route().parse(use_case, body(label=label), NOON).items

    assert item.label == kept
    assert type(item.label) is type(kept)


@pytest.mark.parametrize(
    ("use_case", "label"),
    [
        ("iris", "Setosa"),
        ("iris", 0),
        ("iris", None),
        ("iris", ["setosa"]),
        ("iris", {"setosa": 1}),
        ("turnover", 1),
        ("turnover", "true"),
        ("fraud", 2),
        ("fraud", 1.0),
        ("fraud", "1"),
        ("spam", True),
        ("topics", ""),
    ],
)
def test_another_label_is_refused_and_not_repeated(use_case: str, label: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        route().parse(use_case, body(label=label), NOON)

    code, _, errors = validation_problem(refused.value.reason)
    assert code == "validation_failed"
    assert errors is not None
    assert errors[0].loc == ["items", 0, "label"]
    assert errors[0].message.startswith("Input should be one of: ")
    assert "Setosa" not in errors[0].message


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2026-03-01T11:00:00Z", "2026-03-01T11:00:00+00:00"),
        ("2026-03-01T11:00:00.25+02:00", "2026-03-01T11:00:00.250000+02:00"),
        ("2026-03-01t11:00:00z", "2026-03-01T11:00:00+00:00"),
        ("2026-03-01T12:05:00Z", "2026-03-01T12:05:00+00:00"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00+00:00"),
    ],
)
def test_a_time_with_a_zone_is_taken(text: str, kept: str) -> None:
    (item,) = route().parse("iris", body(observed_at=text), NOON).items

    assert item.observed_at is not None
    assert item.observed_at.isoformat() == kept


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("2026-03-01T11:00:00", "datetime_zoned"),
        ("2026-03-01", "datetime_zoned"),
        ("yesterday", "datetime_zoned"),
        ("1772362800", "datetime_zoned"),
        (1772362800, "datetime_zoned"),
        (True, "datetime_zoned"),
        ("2026-02-29T00:00:00Z", "datetime_zoned"),
        ("2026-03-01T12:05:01Z", "datetime_past"),
        ("9999-12-31T23:59:59-23:59", "datetime_past"),
        ("1969-12-31T23:59:59Z", "datetime_early"),
        ("0001-01-01T00:00:00+23:59", "datetime_early"),
    ],
)
def test_another_time_is_refused(value: Any, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        route().parse("iris", body(observed_at=value), NOON)

    _, _, errors = validation_problem(refused.value.reason)
    assert errors is not None
    assert [(e.loc, e.code) for e in errors] == [(["items", 0, "observed_at"], code)]


@pytest.mark.parametrize("value", [None, "missing"])
def test_the_time_may_be_left_out(value: Any) -> None:
    more = {"observed_at": None} if value is None else {}

    (item,) = route().parse("iris", body(**more), NOON).items

    assert item.observed_at is None


@pytest.mark.parametrize(
    "identity", ["", "no-id", EXAMPLE_ID[:-1], EXAMPLE_ID.replace("-", ""), 7, None]
)
def test_an_id_that_is_none_is_refused(identity: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        route().parse("iris", body(prediction_id=identity), NOON)

    assert refused.value.reason.errors()[0]["loc"] == ("items", 0, "prediction_id")


@pytest.mark.parametrize("count", [0, 1001])
def test_a_request_has_1_to_1000_items(count: int) -> None:
    item = {"prediction_id": EXAMPLE_ID, "label": "setosa"}

    with pytest.raises(InvalidRequest):
        route().parse("iris", json.dumps({"items": [item] * count}).encode(), NOON)
    assert route().parse("iris", json.dumps({"items": [item] * 1000}).encode(), NOON)


def test_a_key_that_comes_twice_is_refused() -> None:
    text = body().decode()
    twice = text.replace('"label"', '"label": "virginica", "label"')

    with pytest.raises(Refused) as refused:
        route().parse("iris", twice.encode(), NOON)

    assert refused.value.code == "invalid_json"


def test_a_crowd_of_unknown_fields_is_refused_at_once() -> None:
    crowd = b",".join(b'"k%d":0' % number for number in range(100_000))

    with pytest.raises(Refused) as refused:
        route().parse("iris", b'{"items": [{' + crowd + b"}]}", NOON)

    assert refused.value.code == "validation_failed"


def post(error: Exception) -> httpx.Response:
    application = Starlette(routes=[route(error).route])

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = {"request_id": "r", "caller": ANONYMOUS}
        await application(scope, receive, send)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=guarded)
        json_type = {"Content-Type": "application/json"}
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.post(
                "http://ekiben/v1/iris/feedback", content=body(), headers=json_type
            )

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("error", "code"),
    [(LogUnavailable("s3cret"), "not_ready"), (Overloaded(2.0), "overloaded")],
)
def test_what_cannot_be_kept_now_is_503_with_a_time_to_try_again(
    error: Exception, code: str
) -> None:
    response = post(error)

    assert (response.status_code, response.json()["code"]) == (503, code)
    assert int(response.headers["Retry-After"]) >= 1
    assert "s3cret" not in response.text


def test_a_fault_of_ours_is_500_without_a_word_about_it() -> None:
    response = post(KeyError("s3cret"))

    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert "s3cret" not in response.text


def test_without_the_look_at_objects_the_last_of_two_labels_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    twice = body().decode().replace('"label"', '"label": "virginica", "label"')
    monkeypatch.setattr(feedback_route, "_check_objects", lambda _: None)

    (item,) = route().parse("iris", twice.encode(), NOON).items

    assert item.label == "setosa"
