"""C-01 to C-09: bad input gets its stated code, names row and field, and harms nothing."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.use_case import UseCase
from tests.servers import Server

pytestmark = pytest.mark.server

each_use_case = pytest.mark.parametrize("use_case", USE_CASES, ids=lambda u: u.name)


@pytest.fixture(autouse=True)
def unharmed(either_server: Server, client: httpx.Client) -> Iterator[None]:
    """After every test the same workers are there, and answer."""
    before = either_server.workers()
    yield
    assert either_server.workers() == before
    assert client.get("/readyz").status_code == 200


def post(client: httpx.Client, use_case: UseCase, body: bytes) -> httpx.Response:
    return client.post(
        f"/v1/{use_case.name}/predict",
        content=body,
        headers={"Content-Type": "application/json"},
    )


def rows_body(*rows: Any) -> bytes:
    return json.dumps({"rows": rows}).encode()


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check the body of RFC 9457 and return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= problem.keys()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["request_id"] == response.headers["x-request-id"]
    for secret in ("Traceback", "site-packages", "pydantic", "bentoml", "/usr", ".py"):
        assert secret not in response.text
    return problem


def truncated(body: bytes) -> bytes:
    return body[: len(body) // 2]


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda body: b"",
    "truncated": truncated,
    "last-byte-missing": lambda body: body[:-1],
    "not-json": lambda body: b"rows=1",
    "single-quotes": lambda body: body.replace(b'"', b"'"),
    "trailing-comma": lambda body: body.replace(b"]}", b"],}"),
    "comment": lambda body: b"/* rows */" + body,
    "not-utf-8": lambda body: b'{"rows": [{"text": "\xff\xfe"}]}',
    "utf-16": lambda body: body.decode().encode("utf-16"),
    "byte-order-mark": lambda body: b"\xef\xbb\xbf" + body,
    "two-documents": lambda body: body + body,
    "nul-bytes": lambda body: b"\x00" * 100,
    "unquoted-nan": lambda body: b'{"rows": [nan]}',
}


@each_use_case
@pytest.mark.parametrize("broken", BROKEN)
def test_c01_a_body_that_is_not_json_is_400(
    client: httpx.Client, use_case: UseCase, broken: str
) -> None:
    body = BROKEN[broken](rows_body(*use_case.examples))

    assert_problem(post(client, use_case, body), 400, "invalid_json")


@each_use_case
@pytest.mark.parametrize("levels", [33, 210, 1_000, 100_000])
@pytest.mark.parametrize(
    "opening", [b"[", b'{"rows":', b'{"rows":[{"text":['], ids=["list", "rows", "row"]
)
def test_c02_absurd_nesting_is_400(
    client: httpx.Client, use_case: UseCase, levels: int, opening: bytes
) -> None:
    assert_problem(post(client, use_case, opening * levels), 400, "invalid_json")


@pytest.mark.parametrize("levels", [33, 210, 1_000, 100_000])
def test_c02_absurd_nesting_that_is_closed_is_400_too(
    client: httpx.Client, levels: int
) -> None:
    body = b'{"rows":' + b"[" * levels + b"]" * levels + b"}"

    assert_problem(post(client, USE_CASES[0], body), 400, "invalid_json")


NUMBERS_OF = {"iris": "petal_length", "turnover": "satisfaction_level", "fraud": "v7"}


@pytest.mark.parametrize("name", NUMBERS_OF)
@pytest.mark.parametrize(
    ("number", "codes"),
    [
        pytest.param("NaN", {400, 422}, id="nan"),
        pytest.param("Infinity", {400, 422}, id="infinity"),
        pytest.param("-Infinity", {400, 422}, id="minus-infinity"),
        pytest.param("1e999", {422}, id="overflow"),
        pytest.param("-1e999", {422}, id="minus-overflow"),
        pytest.param("9" * 400, {422}, id="400-digits"),
    ],
)
def test_c03_a_number_that_is_not_finite_is_refused(
    client: httpx.Client, name: str, number: str, codes: set[int]
) -> None:
    use_case = next(one for one in USE_CASES if one.name == name)
    row = json.dumps(use_case.examples[0] | {NUMBERS_OF[name]: "HERE"})
    body = b'{"rows": [' + row.replace('"HERE"', number).encode() + b"]}"

    response = post(client, use_case, body)

    assert response.status_code in codes, response.text


@pytest.mark.parametrize("number", ["-0.0", "5e-324", "1e-310", "1e300", "-1e308"])
def test_c03_zero_of_either_sign_subnormal_and_huge_numbers_are_answered(
    client: httpx.Client, number: str
) -> None:
    fraud = next(one for one in USE_CASES if one.name == "fraud")
    row = json.dumps(fraud.examples[0] | {"v7": "HERE"}).replace('"HERE"', number)

    response = post(client, fraud, b'{"rows": [' + row.encode() + b"]}")

    assert response.status_code == 200, response.text
    assert 0 <= response.json()[0]["probability"] <= 1


@each_use_case
def test_c04_an_unknown_field_at_the_top_is_named(
    client: httpx.Client, use_case: UseCase
) -> None:
    body = json.dumps({"rows": use_case.examples, "extra": 1}).encode()

    problem = assert_problem(post(client, use_case, body), 422, "validation_failed")

    assert problem["errors"][0]["loc"] == ["extra"]


@each_use_case
def test_c04_an_unknown_field_in_a_row_is_named_with_its_row(
    client: httpx.Client, use_case: UseCase
) -> None:
    first = use_case.examples[0]

    response = post(client, use_case, rows_body(first, first | {"surprise": 1}))

    problem = assert_problem(response, 422, "validation_failed")
    assert [e["loc"] for e in problem["errors"]] == [["rows", 1, "surprise"]]


@each_use_case
def test_c04_every_missing_field_is_named(
    client: httpx.Client, use_case: UseCase
) -> None:
    for name in use_case.row.model_fields:
        row = {k: v for k, v in use_case.examples[0].items() if k != name}

        response = post(client, use_case, rows_body(row))

        problem = assert_problem(response, 422, "validation_failed")
        assert problem["errors"][0]["loc"] == ["rows", 0, name]
        assert problem["errors"][0]["code"] == "missing"


@each_use_case
def test_c04_a_field_that_is_named_twice_is_refused(
    client: httpx.Client, use_case: UseCase
) -> None:
    row = json.dumps(use_case.examples[0])
    name, value = next(iter(use_case.examples[0].items()))
    again = f"{json.dumps(name)}: {json.dumps(value)}"
    twice = f'{{"rows": [{row[:-1]}, {again}}}]}}'
    rows_twice = f'{{"rows": [{row}], "rows": [{row}]}}'

    assert_problem(post(client, use_case, twice.encode()), 400, "invalid_json")
    assert_problem(post(client, use_case, rows_twice.encode()), 400, "invalid_json")


def test_c04_a_text_with_colons_and_quotes_is_no_second_field(
    client: httpx.Client,
) -> None:
    spam = next(one for one in USE_CASES if one.name == "spam")
    text = 'see "text": "x", "rows": [] at http://example.org:80/ :)'

    response = post(client, spam, rows_body({"text": text}))

    assert response.status_code == 200


WRONG_TYPES = {
    "null": None,
    "list": [1],
    "object": {"a": 1},
    "number": 3,
    "fraction": 0.5,
    "numeric-string": "0.5",
    "string": "low-ish",
    "true": True,
    "false": False,
}


def fits(value: Any, good: Any) -> bool:
    """Whether JSON *value* is of the same type as the *good* one of the example."""
    if isinstance(good, bool) or isinstance(value, bool):
        return isinstance(good, bool) and isinstance(value, bool)
    if isinstance(good, float):
        return isinstance(value, (int, float))
    return isinstance(value, type(good))


@each_use_case
def test_c05_a_value_of_another_json_type_is_refused_never_coerced(
    client: httpx.Client, use_case: UseCase
) -> None:
    example = use_case.examples[0]
    for name, good in example.items():
        for kind, value in WRONG_TYPES.items():
            if fits(value, good) or (
                name == "average_monthly_hours" and kind in ("number", "fraction")
            ):
                continue
            response = post(client, use_case, rows_body(example | {name: value}))
            problem = assert_problem(response, 422, "validation_failed")
            assert problem["errors"][0]["loc"][:3] == ["rows", 0, name], (name, kind)


@each_use_case
@pytest.mark.parametrize(
    "body",
    [b"null", b"[]", b'"rows"', b"1", b"{}", b'{"rows": null}', b'{"rows": {}}',
     b'{"rows": "x"}', b'{"rows": [null]}', b'{"rows": [[]]}', b'{"rows": [1]}'],
    ids=lambda body: body.decode(),
)  # fmt: skip
def test_c05_a_body_of_another_shape_is_422(
    client: httpx.Client, use_case: UseCase, body: bytes
) -> None:
    assert_problem(post(client, use_case, body), 422, "validation_failed")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param("turnover", {"department": "catering"}, id="unseen-department"),
        pytest.param("turnover", {"department": "Sales"}, id="other-case"),
        pytest.param("turnover", {"salary": ""}, id="empty-salary"),
        pytest.param("turnover", {"number_project": 21}, id="too-many-projects"),
        pytest.param("turnover", {"number_project": 3.5}, id="half-a-project"),
        pytest.param("turnover", {"average_monthly_hours": 745}, id="too-many-hours"),
        pytest.param("turnover", {"satisfaction_level": 1.01}, id="over-one"),
        pytest.param("iris", {"petal_width": 0}, id="no-width"),
        pytest.param("iris", {"petal_width": -1}, id="negative-width"),
        pytest.param("iris", {"sepal_length": 30.1}, id="a-tree"),
        pytest.param("fraud", {"amount": -0.01}, id="negative-amount"),
        pytest.param("fraud", {"time": -1}, id="before-the-first"),
        pytest.param("spam", {"text": ""}, id="empty-text"),
        pytest.param("spam", {"text": " \n\t\u3000"}, id="blank-text"),
        pytest.param("spam", {"text": "x" * 5001}, id="long-text"),
        pytest.param("spam", {"text": "a\x00b"}, id="nul"),
        pytest.param("topics", {"text": "a\x00b"}, id="nul-in-topics"),
    ],
)
def test_c06_a_value_out_of_range_is_refused_and_named(
    client: httpx.Client, name: str, change: dict[str, Any]
) -> None:
    use_case = next(one for one in USE_CASES if one.name == name)
    good = use_case.examples[0]

    response = post(client, use_case, rows_body(good, good | change))

    problem = assert_problem(response, 422, "validation_failed")
    assert [e["loc"] for e in problem["errors"]] == [["rows", 1, *change]]


@pytest.mark.parametrize("name", ["spam", "topics"])
@pytest.mark.parametrize(
    "text",
    [
        "x" * 5000,
        "\u202eright to left\u202c",
        "\U0001f371 station bento \U0001f689",
        "\u6771\u4eac\u99c5\u5f01\u5f53",
        "\x1b[31mred\x1b[0m\r\nforged: line",
        "{{7*7}} ${jndi:ldap://x} '; DROP TABLE rows; --",
        "http://169.254.169.254/ file:///etc/passwd",
    ],
    ids=["longest", "rtl", "emoji", "kanji", "ansi", "injection", "url"],
)
def test_c06_any_other_text_is_answered(
    client: httpx.Client, name: str, text: str
) -> None:
    use_case = next(one for one in USE_CASES if one.name == name)

    response = post(client, use_case, rows_body({"text": text}))

    assert response.status_code == 200


def test_c06_a_lone_surrogate_is_refused(client: httpx.Client) -> None:
    body = b'{"rows": [{"text": "\\ud800"}]}'

    response = post(client, next(o for o in USE_CASES if o.name == "spam"), body)

    assert response.status_code in (400, 422)


def test_c07_values_without_their_names_are_refused(client: httpx.Client) -> None:
    transposed = {"sepal_length": [5.1, 4.9], "sepal_width": [3.5, 3.0]}

    for rows in ([[5.1, 3.5, 1.4, 0.2]], [transposed], transposed):
        response = client.post("/v1/iris/predict", json={"rows": rows})
        assert_problem(response, 422, "validation_failed")


@each_use_case
def test_c08_no_rows_are_refused(client: httpx.Client, use_case: UseCase) -> None:
    problem = assert_problem(
        post(client, use_case, rows_body()), 422, "validation_failed"
    )

    assert problem["errors"][0]["loc"] == ["rows"]


def test_c08_a_million_rows_are_refused(client: httpx.Client) -> None:
    body = b'{"rows": [' + b"1," * 999_999 + b"1]}"

    response = post(client, USE_CASES[0], body)

    assert response.status_code in (413, 422)


@each_use_case
@pytest.mark.parametrize("bad", [0, 7, 19])
def test_c09_one_bad_row_refuses_the_request_and_the_model_is_not_called(
    client: httpx.Client, use_case: UseCase, bad: int
) -> None:
    rows: list[Any] = (use_case.examples * 20)[:20]
    rows[bad] = rows[bad] | {"surprise": True}
    before = model_calls(client, use_case)

    problem = assert_problem(
        post(client, use_case, rows_body(*rows)), 422, "validation_failed"
    )

    assert problem["errors"][0]["loc"] == ["rows", bad, "surprise"]
    assert model_calls(client, use_case) == before


def model_calls(client: httpx.Client, use_case: UseCase) -> float:
    """Return how often the model was called, by the server's own count."""
    start = f'ekiben_batch_rows_count{{use_case="{use_case.name}"}}'
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(start))


def test_many_errors_are_counted_but_not_all_listed(client: httpx.Client) -> None:
    response = client.post("/v1/iris/predict", json={"rows": [{}] * 1000})

    problem = assert_problem(response, 422, "validation_failed")
    assert len(problem["errors"]) == 100
    assert "4000" in problem["detail"]


def test_no_refusal_repeats_what_was_sent(client: httpx.Client) -> None:
    marker = "zebra-8675309"
    employee = USE_CASES[1].examples[0]
    for change in (
        {"department": marker},
        {"salary": {"a": marker}},
        {"last_evaluation": marker},
    ):
        response = client.post(
            "/v1/turnover/predict", json={"rows": [employee | change]}
        )
        assert response.status_code == 422
        assert marker not in response.text


@each_use_case
def test_a_row_with_a_hundred_thousand_unknown_fields_is_refused_at_once(
    client: httpx.Client, use_case: UseCase
) -> None:
    crowd = b",".join(b'"k%d":0' % number for number in range(200_000))

    response = post(client, use_case, b'{"rows": [{' + crowd + b"}]}")

    assert_problem(response, 422, "validation_failed")
    assert response.elapsed.total_seconds() < 5


def test_a_brace_in_a_text_does_not_hide_a_field_named_twice(
    client: httpx.Client,
) -> None:
    body = b'{"rows": [{"text": "{", "text": "x"}]}'

    assert_problem(post(client, USE_CASES[3], body), 400, "invalid_json")
