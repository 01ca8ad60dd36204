"""The load profiles accept a right answer and name what is wrong with any other."""

import json
from typing import Any

import pytest

from benchmarks.answers import fault

GOOD = {"prediction_id": "0190", "model": "iris:abc", "species": "setosa"}


def test_a_right_answer_has_no_fault() -> None:
    assert fault("iris", 2, 200, json.dumps([GOOD, GOOD])) == ""


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        pytest.param(503, [GOOD], "status 503", id="status"),
        pytest.param(0, None, "status 0", id="no-answer"),
        pytest.param(200, [], "not an array of 1 predictions", id="too-short"),
        pytest.param(200, GOOD, "not an array of 1 predictions", id="no-array"),
        pytest.param(
            200,
            [{**GOOD, "model": "spam:abc"}],
            "1 predictions without id or tag",
            id="another-model",
        ),
        pytest.param(
            200,
            [{"model": "iris:abc"}],
            "1 predictions without id or tag",
            id="no-id",
        ),
        pytest.param(200, [7], "1 predictions without id or tag", id="no-object"),
    ],
)
def test_a_wrong_answer_is_named(status: int, answer: Any, expected: str) -> None:
    assert fault("iris", 1, status, json.dumps(answer)) == expected


def test_a_body_that_is_not_json_is_named() -> None:
    assert fault("iris", 1, 200, "<html>") == "not JSON"
