"""POST /v1/{use_case}/predict with tables: the same answers as in JSON, on both paths."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from ekiben.monitoring.records import Logged
from ekiben.monitoring.store import PredictionStore
from ekiben.settings import Settings
from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.use_case import UseCase
from tests.models import Trainings
from tests.servers import Server, serve
from tests.tables import ARROW, as_json, cast, of_rows, post, stream

pytestmark = pytest.mark.server

IRIS, TURNOVER, FRAUD, SPAM, TOPICS = USE_CASES
each_use_case = pytest.mark.parametrize("use_case", USE_CASES, ids=lambda u: u.name)
MOST_ROWS = 300


def unnamed(answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return *answers* without their ids."""
    return [{k: v for k, v in one.items() if k != "prediction_id"} for one in answers]


def in_json(client: httpx.Client, use_case: UseCase, rows: Any) -> httpx.Response:
    return client.post(f"/v1/{use_case.name}/predict", json={"rows": rows})


@each_use_case
def test_real_rows_get_the_answers_of_json_to_the_last_bit(
    client: httpx.Client, use_case: UseCase, trainings: Trainings
) -> None:
    frame = trainings.table(use_case.name).frame
    step = -(-len(frame) // MOST_ROWS)
    rows = use_case.encoding.rows_of(frame.iloc[::step])

    answer = post(client, use_case, of_rows(rows))

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == ARROW
    found = as_json(answer.content)
    expected = in_json(client, use_case, rows)
    assert unnamed(found) == unnamed(expected.json())
    assert answer.headers["x-model"] == expected.headers["x-model"]
    assert len({one["prediction_id"] for one in found}) == len(rows)


HARD: list[tuple[UseCase, dict[str, Any]]] = [
    (IRIS, {"sepal_length": 5e-324, "petal_width": 30.0}),
    (TURNOVER, {"satisfaction_level": -0.0, "average_monthly_hours": 1}),
    (FRAUD, {"v1": 1.7e308, "v2": -1.7e308, "amount": 1e308, "time": 0}),
    (SPAM, {"text": "FREE!!! \u202e\U0001f381 \U00010348 e\u0301 " + "\u4e2d" * 4900}),
    (TOPICS, {"text": "\ud7ff\ue000\ufffd \N{ZERO WIDTH JOINER}x\r\n\t"}),
]


@pytest.mark.parametrize(("use_case", "changes"), HARD, ids=lambda one: str(one)[:9])
def test_hard_rows_get_the_answers_of_json(
    client: httpx.Client, use_case: UseCase, changes: dict[str, Any]
) -> None:
    rows = [use_case.examples[0], use_case.examples[0] | changes]
    types = {name: pa.float64() for name, one in changes.items() if one == 0}

    answer = post(client, use_case, stream(cast(pa.Table.from_pylist(rows), **types)))

    expected = unnamed(in_json(client, use_case, rows).json())
    assert unnamed(as_json(answer.content)) == expected


BAD: list[tuple[UseCase, dict[str, Any]]] = [
    (IRIS, {"petal_width": float("nan")}),
    (IRIS, {"petal_width": float("-inf")}),
    (FRAUD, {"v7": float("inf"), "amount": -0.5}),
    (TURNOVER, {"department": "catering"}),
    (TURNOVER, {"number_project": None, "salary": None}),
    (SPAM, {"text": " \t "}),
    (TOPICS, {"text": "x" * 5001}),
    (TOPICS, {"text": "a\0b"}),
]


@pytest.mark.parametrize(("use_case", "changes"), BAD, ids=lambda one: str(one)[:40])
def test_bad_values_are_refused_as_in_json(
    client: httpx.Client, use_case: UseCase, changes: dict[str, Any]
) -> None:
    rows = [*use_case.examples, use_case.examples[0] | changes]
    body = request_body(rows)

    answer = post(client, use_case, of_rows(rows))

    expected = client.post(
        f"/v1/{use_case.name}/predict",
        content=body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == expected.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    same = ("type", "title", "status", "detail", "code", "errors")
    assert [answer.json()[one] for one in same] == [
        expected.json()[one] for one in same
    ]
    assert answer.json()["errors"][0]["loc"][:2] == ["rows", len(use_case.examples)]


def request_body(rows: Any) -> bytes:
    """Return the request with NaN and infinity written as such."""
    return json.dumps({"rows": rows}).encode()


@pytest.mark.parametrize(
    ("sent", "accept", "got"),
    [
        ("arrow", None, ARROW),
        ("arrow", "application/json", "application/json"),
        ("arrow", f"{ARROW}, application/json;q=0.5", ARROW),
        ("json", None, "application/json"),
        ("json", ARROW, ARROW),
        ("json", "text/html", "application/json"),
    ],
)
def test_accept_chooses_the_form_of_the_answer(
    client: httpx.Client, sent: str, accept: str | None, got: str
) -> None:
    body = of_rows(TURNOVER.examples)
    if sent == "json":
        body = request_body(TURNOVER.examples)
    kind = ARROW if sent == "arrow" else "application/json"

    answer = post(
        client, TURNOVER, body, **{"Content-Type": kind, "Accept": accept or "*/*"}
    )

    assert answer.headers["content-type"] == got
    found = as_json(answer.content) if got == ARROW else answer.json()
    expected = in_json(client, TURNOVER, TURNOVER.examples).json()
    assert unnamed(found) == unnamed(expected)


def test_a_refusal_is_a_problem_whatever_is_accepted(client: httpx.Client) -> None:
    answer = post(client, IRIS, b"", Accept=ARROW)

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid_json"


@pytest.mark.parametrize("rows", [1000, 1001])
def test_a_thousand_rows_are_answered_and_one_more_is_refused(
    client: httpx.Client, rows: int
) -> None:
    answer = post(client, FRAUD, of_rows(FRAUD.examples[:1] * rows))

    assert answer.status_code == (200 if rows == 1000 else 422)
    if rows == 1000:
        assert len(as_json(answer.content)) == rows
    else:
        assert answer.json()["errors"][0]["loc"] == ["rows"]


def test_rows_in_both_forms_share_batches_without_a_mix_up(
    either_server: Server,
) -> None:
    flowers = [{**IRIS.examples[0], "petal_length": 0.1 * n + 0.1} for n in range(60)]

    # More at once may be more than a second of work, to a slow machine.
    limits = httpx.Limits(max_connections=16)

    async def ask_all() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            base_url=either_server.url, timeout=60, limits=limits
        ) as client:

            async def ask(number: int) -> httpx.Response:
                rows = flowers[number : number + 1 + number % 3]
                if number % 2:
                    return await client.post("/v1/iris/predict", json={"rows": rows})
                return await client.post(
                    "/v1/iris/predict",
                    content=of_rows(rows),
                    headers={"Content-Type": ARROW},
                )

            return await asyncio.gather(*(ask(number) for number in range(57)))

    answers = asyncio.run(ask_all())

    with either_server.client() as client:
        expected = unnamed(in_json(client, IRIS, flowers).json())
    for number, one in enumerate(answers):
        found = one.json() if number % 2 else as_json(one.content)
        assert unnamed(found) == expected[number : number + 1 + number % 3]


def test_the_log_holds_the_rows_of_tables_and_takes_feedback_on_them(
    client: httpx.Client, home: Path
) -> None:
    answer = post(client, TURNOVER, of_rows(TURNOVER.examples))

    found = as_json(answer.content)
    records = {one.prediction_id: one for one in logged(home, found)}
    for row, one in zip(TURNOVER.examples, found, strict=True):
        record = records[one["prediction_id"]]
        expected = TURNOVER.row.model_validate(row).model_dump()
        assert record.row == expected
        assert all(type(record.row[name]) is type(expected[name]) for name in row)
        stamped = {"prediction_id": record.prediction_id, "model": record.tag}
        assert record.answer | stamped == one
    items = [{"prediction_id": one, "label": True} for one in records]
    told = client.post("/v1/turnover/feedback", json={"items": items})
    assert told.json()["accepted"] == len(items)


def logged(home: Path, answers: Sequence[dict[str, Any]]) -> Iterator[Logged]:
    """Yield what the log has of *answers*, once it has all of them."""
    ids = {one["prediction_id"] for one in answers}
    now = datetime.now(UTC)
    since, until = now - timedelta(minutes=5), now + timedelta(minutes=5)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with PredictionStore.opened(Settings(home=home).log_url) as store:
            read = store.read(TURNOVER.name, since=since, until=until)
            records = [one for one, _ in read if one.prediction_id in ids]
        if len(records) == len(ids):
            yield from records
            return
        time.sleep(0.1)
    raise AssertionError("not logged")


def test_other_routes_take_no_tables(client: httpx.Client) -> None:
    answer = client.post(
        "/v1/iris/feedback",
        content=of_rows([{"prediction_id": "x", "label": "setosa"}]),
        headers={"Content-Type": ARROW},
    )

    assert answer.status_code == 415


def test_an_encoded_table_is_never_unpacked(client: httpx.Client) -> None:
    body = of_rows(IRIS.examples)

    answer = post(client, IRIS, body, **{"Content-Encoding": "identity"})

    assert answer.status_code == 415


def test_a_server_that_is_told_to_speaks_json_only(home: Path, tmp_path: Path) -> None:
    (tmp_path / "models").symlink_to(home / "models")
    (tmp_path / "ekiben").symlink_to(home / "ekiben")
    only = {"EKIBEN_ARROW": "false", "EKIBEN_MODELS": "iris"}

    with serve(tmp_path, extra=only) as server, server.client() as client:
        refused = post(client, IRIS, of_rows(IRIS.examples))
        answered = client.post(
            "/v1/iris/predict", json={"rows": IRIS.examples}, headers={"Accept": ARROW}
        )
        document = client.get("/openapi.json").text

    assert refused.status_code == 415
    assert answered.headers["content-type"] == "application/json"
    assert ARROW not in document
