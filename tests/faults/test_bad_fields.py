"""C-04 to C-06: fields that are unknown, missing, doubled, of another type or out of range."""

import json
from typing import Any

import httpx
import pytest

from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.use_case import UseCase
from tests.faults.asking import assert_problem, each_use_case, post, rows_body

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("unharmed")]


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
    # Many rows are read by column.
    many = f'{{"rows": [{", ".join([row] * 150)}, {row[:-1]}, {again}}}]}}'
    assert_problem(post(client, use_case, many.encode()), 400, "invalid_json")


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
    assert response.elapsed.total_seconds() < 30


def test_a_brace_in_a_text_does_not_hide_a_field_named_twice(
    client: httpx.Client,
) -> None:
    body = b'{"rows": [{"text": "{", "text": "x"}]}'

    assert_problem(post(client, USE_CASES[3], body), 400, "invalid_json")
