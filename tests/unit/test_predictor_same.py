"""When two answers count as the same."""

from typing import Any

import pytest

from ekiben.predictor import same


@pytest.mark.parametrize(
    ("expected", "actual", "verdict"),
    [
        pytest.param({"p": 0.5}, {"p": 0.5 + 1e-12}, True, id="last-bits"),
        pytest.param({"p": 0.5}, {"p": 0.5 + 1e-6}, False, id="other-number"),
        pytest.param({"p": 0.5}, {"p": float("nan")}, False, id="nan"),
        pytest.param({"p": 0.5}, {"p": 0.5, "q": 1}, False, id="another-field"),
        pytest.param({"leaves": True}, {"leaves": 1}, False, id="one-is-not-true"),
        pytest.param({"leaves": True}, {"leaves": True}, True, id="true"),
        pytest.param(
            {"species": "setosa"}, {"species": "virginica"}, False, id="label"
        ),
        pytest.param({"p": {"a": 1.0}}, {"p": {"a": 1}}, True, id="nested"),
    ],
)
def test_numbers_may_differ_in_their_last_bits_and_nothing_else(
    expected: Any, actual: Any, verdict: bool
) -> None:
    assert same(expected, actual) is verdict
