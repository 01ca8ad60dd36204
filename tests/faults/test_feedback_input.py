"""C-01 to C-11 and C-76 on the feedback routes: what is no feedback is refused, and changes nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ekiben.monitoring.feedback_store import FeedbackStore
from ekiben.use_cases.catalog import get_use_case
from tests.faults.asking import assert_problem
from tests.faults.test_bad_json import BROKEN
from tests.faults.test_labels import refusals
from tests.feedback import UNKNOWN, log_of, predict
from tests.servers import Server

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("unharmed")]

LABELS = {
    "iris": "setosa",
    "turnover": True,
    "fraud": 1,
    "spam": "ham",
    "topics": "other",
}
each = pytest.mark.parametrize("name", LABELS)
LIMIT = 4 * 1024 * 1024
JSON = {"Content-Type": "application/json"}


def item(name: str, **change: Any) -> dict[str, Any]:
    return {"prediction_id": UNKNOWN, "label": LABELS[name], **change}


def body(*items: Any) -> bytes:
    return json.dumps({"items": items}).encode()


def post(client: httpx.Client, name: str, content: bytes) -> httpx.Response:
    return client.post(f"/v1/{name}/feedback", content=content, headers=JSON)


@each
@pytest.mark.parametrize("broken", BROKEN)
def test_c01_feedback_that_is_not_json_is_400(
    client: httpx.Client, name: str, broken: str
) -> None:
    content = BROKEN[broken](body(item(name)))

    assert_problem(post(client, name, content), 400, "invalid_json")


@pytest.mark.parametrize("levels", [33, 210, 1_000, 100_000])
@pytest.mark.parametrize(
    "opening",
    [b"[", b'{"items":', b'{"items":[{"label":['],
    ids=["list", "items", "label"],
)
def test_c02_feedback_that_nests_absurdly_is_400(
    client: httpx.Client, levels: int, opening: bytes
) -> None:
    assert_problem(post(client, "iris", opening * levels), 400, "invalid_json")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "9" * 400, "-0.0"])
def test_c03_a_label_that_is_no_finite_number_is_refused(
    client: httpx.Client, number: str
) -> None:
    content = json.dumps({"items": [item("fraud", label="HERE")]})

    response = post(client, "fraud", content.replace('"HERE"', number).encode())

    assert response.status_code in (400, 422), response.text


@each
def test_c04_unknown_and_missing_fields_are_named(
    client: httpx.Client, name: str
) -> None:
    extra = {"items": [item(name)], "extra": 1}
    bare = {"prediction_id": UNKNOWN}
    cases = [
        (json.dumps(extra).encode(), ["extra"]),
        (body(item(name), item(name, surprise=1)), ["items", 1, "surprise"]),
        (body(bare), ["items", 0, "label"]),
        (body({"label": LABELS[name]}), ["items", 0, "prediction_id"]),
    ]
    for content, loc in cases:
        problem = assert_problem(post(client, name, content), 422, "validation_failed")
        assert [one["loc"] for one in problem["errors"]] == [loc]


@each
def test_c04_a_field_of_feedback_that_comes_twice_is_refused(
    client: httpx.Client, name: str
) -> None:
    once = body(item(name)).decode()
    for key in ("prediction_id", "label"):
        twice = once.replace(f'"{key}"', f'"{key}": null, "{key}"')
        assert post(client, name, twice.encode()).status_code in (400, 422)
    same = once.replace('"label"', f'"label": {json.dumps(LABELS[name])}, "label"')
    assert_problem(post(client, name, same.encode()), 400, "invalid_json")


@each
def test_c05_a_value_of_another_type_is_refused_never_coerced(
    client: httpx.Client, name: str
) -> None:
    wrong: dict[str, list[Any]] = {
        "prediction_id": [None, 7, True, [UNKNOWN], {"id": UNKNOWN}, "no-id"],
        "label": [None, 7, 0.5, "0.5", [LABELS[name]], {"a": 1}, "", "None"],
        "observed_at": [7, True, [], {}, "", "today", "2026-03-01T12:00:00"],
    }
    for field, values in wrong.items():
        for value in values:
            response = post(client, name, body(item(name, **{field: value})))
            problem = assert_problem(response, 422, "validation_failed")
            assert problem["errors"][0]["loc"] == ["items", 0, field], (field, value)


@pytest.mark.parametrize(
    "content",
    [b"null", b"[]", b'"items"', b"1", b"{}", b'{"items": null}', b'{"items": {}}',
     b'{"items": [null]}', b'{"items": [[]]}', b'{"items": [1]}', b'{"rows": []}'],
    ids=lambda content: content.decode(),
)  # fmt: skip
def test_c05_feedback_of_another_shape_is_422(
    client: httpx.Client, content: bytes
) -> None:
    assert_problem(post(client, "iris", content), 422, "validation_failed")


@pytest.mark.parametrize(
    "label",
    ["Setosa", "rose", "a\x00b", "\u202esetosa", "x" * 5000, "http://127.0.0.1"],
)
def test_c06_a_label_out_of_range_is_refused_and_not_repeated(
    client: httpx.Client, label: str
) -> None:
    response = post(client, "iris", body(item("iris"), item("iris", label=label)))

    problem = assert_problem(response, 422, "validation_failed")
    assert [one["loc"] for one in problem["errors"]] == [["items", 1, "label"]]
    assert label not in response.text


@each
def test_c08_feedback_has_1_to_1000_items(client: httpx.Client, name: str) -> None:
    for count, status in ((0, 422), (1, 202), (1000, 202), (1001, 422)):
        response = post(client, name, body(*[item(name)] * count))
        assert response.status_code == status, (count, response.text[:300])
        if status == 422:
            assert response.json()["errors"][0]["loc"] == ["items"]
        else:
            assert response.json()["unknown"] == [UNKNOWN] * count


@pytest.fixture
def log(home: Path) -> Iterator[FeedbackStore]:
    opened = log_of(home)
    yield opened
    opened.close()


@pytest.mark.parametrize("bad", [0, 7, 19])
def test_c09_one_bad_item_refuses_the_request_and_nothing_is_kept(
    client: httpx.Client, log: FeedbackStore, bad: int
) -> None:
    rows = (get_use_case("iris").examples * 20)[:20]
    ids = [one["prediction_id"] for one in predict(client, log, "iris", rows)]
    good = [item("iris", prediction_id=one) for one in ids]
    items = [*good[:bad], good[bad] | {"surprise": True}, *good[bad + 1 :]]

    problem = assert_problem(
        post(client, "iris", body(*items)), 422, "validation_failed"
    )
    after = post(client, "iris", body(*good)).json()

    assert problem["errors"][0]["loc"] == ["items", bad, "surprise"]
    assert after == {"accepted": 20, "duplicates": 0, "unknown": []}


@pytest.mark.parametrize(
    ("size", "status"), [(LIMIT - 1, 202), (LIMIT, 202), (LIMIT + 1, 413)]
)
@pytest.mark.parametrize("way", ["with-length", "chunked"])
def test_c10_the_limit_of_feedback_is_counted_to_the_byte(
    client: httpx.Client, way: str, size: int, status: int
) -> None:
    whole = body(item("iris"))
    whole += b" " * (size - len(whole))
    halves = (whole[:LIMIT], whole[LIMIT:])
    content: Any = whole if way == "with-length" else iter([h for h in halves if h])

    try:
        response = client.post("/v1/iris/feedback", content=content, headers=JSON)
    except httpx.TransportError:
        # The server closes while we still send; where that is a reset there is no answer.
        assert status == 413
        return

    assert response.status_code == status, response.text
    if status == 413:
        assert_problem(response, 413, "payload_too_large")
        assert response.headers["connection"] == "close"


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/xml"},
     {"Content-Type": "application/vnd.bentoml+pickle"},
     JSON | {"Content-Encoding": "gzip"}],
    ids=["none", "text", "xml", "pickle", "gzip"],
)  # fmt: skip
def test_c11_feedback_that_is_not_named_json_is_415(
    client: httpx.Client, headers: dict[str, str]
) -> None:
    response = client.post(
        "/v1/iris/feedback", content=body(item("iris")), headers=headers
    )

    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", JSON, 400, "invalid_json"),
        (b"{}", JSON, 422, "validation_failed"),
        (b"{}", {}, 415, "unsupported_media_type"),
        (b" " * (LIMIT + 1), JSON, 413, "payload_too_large"),
    ],
)
def test_c76_a_refusal_of_feedback_counts_once_for_its_use_case(
    server: Server, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    with server.client() as client:
        before = refusals(client)
        client.post("/v1/spam/feedback", content=content, headers=headers)
        after = refusals(client)

    grown = {key: value - before.get(key, 0) for key, value in after.items()}
    labels = f'{{code="{code}",status="{status}",use_case="spam"}}'
    assert {key: value for key, value in grown.items() if value} == {
        f"ekiben_requests_total{labels}": 1
    }
