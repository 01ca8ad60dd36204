"""In what answers differ, and in what installations do."""

import platform
from typing import Any

import pytest

from ekiben.monitoring.differences import ABSENT, changes, differences
from ekiben.registry.libraries import PLATFORM, running_platform


@pytest.mark.parametrize(
    ("logged", "replayed", "fields"),
    [
        pytest.param({"p": 0.5}, {"p": 0.5 + 9e-10}, [], id="within-tolerance"),
        pytest.param({"p": 0.5}, {"p": 0.5 + 2e-9}, ["p"], id="beyond-it"),
        pytest.param({"p": 1.0}, {"p": True}, ["p"], id="a-flag-is-no-number"),
        pytest.param({"label": "a"}, {"label": "b"}, ["label"], id="label"),
        pytest.param({"of": {"a": 0.1}}, {"of": {"a": 0.2}}, ["of.a"], id="nested"),
        pytest.param({"of": [1.0, 2.0]}, {"of": [1.0, 3.0]}, ["of[1]"], id="list"),
        pytest.param({"of": [1.0]}, {"of": [1.0, 3.0]}, ["of"], id="longer-list"),
        pytest.param({"a": 1.0}, {"b": 1.0}, ["a", "b"], id="other-fields"),
    ],
)
def test_each_value_that_differs_is_named(
    logged: dict[str, Any], replayed: dict[str, Any], fields: list[str]
) -> None:
    assert [one.field for one in differences(logged, replayed)] == fields


def test_a_difference_tells_both_values() -> None:
    (one, two) = differences({"a": 0.25}, {"b": "x"})
    assert str(one) == f"a was 0.25, is {ABSENT!r}"
    assert str(two) == f"b was {ABSENT!r}, is 'x'"


def test_what_is_installed_here_is_no_change() -> None:
    recorded = {"python": platform.python_version(), PLATFORM: running_platform()}
    assert changes(recorded) == ()


def test_other_and_missing_libraries_and_another_platform_are_changes() -> None:
    recorded = {"numpy": "1.0.0", "no-such-thing": "2", PLATFORM: "Plan 9"}
    found = [str(one) for one in changes(recorded)]
    assert found[0].startswith("numpy 1.0.0 then, ")
    assert found[1] == f"no-such-thing 2 then, {ABSENT} here"
    assert found[2] == f"platform Plan 9 then, {running_platform()} here"
