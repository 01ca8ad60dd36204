from time import process_time

import pytest

from ekiben.serving.json_bodies import body_depth, is_too_deep, look_at_objects


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        pytest.param(b"", 0, id="empty"),
        pytest.param(b"1", 0, id="scalar"),
        pytest.param(b"[]", 1, id="array"),
        pytest.param(b'{"rows": [{"a": 1}, {"a": 2}]}', 3, id="predict"),
        pytest.param(b'["[[[[", "{{"]', 1, id="brackets-in-a-string"),
        pytest.param(b'["\\"[[[["]', 1, id="escaped-quote"),
        pytest.param(b'["\\\\", [1]]', 2, id="escaped-backslash"),
        pytest.param(b'["[[[[', 1, id="open-string"),
        pytest.param(b'["[[\\', 1, id="open-escape"),
        pytest.param(b"]]]]", 0, id="closing-only"),
        pytest.param('["é[", [1]]'.encode(), 2, id="utf-8"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, 100_000, id="100000-levels"),
    ],
)
def test_depth_counts_brackets_outside_strings(body: bytes, depth: int) -> None:
    assert body_depth(body) == depth


def test_32_levels_are_not_too_deep_and_33_are() -> None:
    assert not is_too_deep(b"[" * 32 + b"]" * 32)
    assert is_too_deep(b"[" * 33 + b"]" * 33)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[]" * 2_000_000, id="brackets"),
        pytest.param(b'"' + b'\\"' * 2_000_000, id="escaped-quotes"),
        pytest.param(b'"' * 4_000_000, id="quotes"),
        pytest.param(b"\\" * 4_000_000, id="backslashes"),
    ],
)
def test_no_body_of_4_megabytes_takes_long(body: bytes) -> None:
    start = process_time()
    body_depth(body)

    assert process_time() - start < 5


@pytest.mark.parametrize(
    ("body", "duplicate"),
    [
        pytest.param(b'{"rows": [{"a": 1, "b": 2}]}', False, id="none"),
        pytest.param(b'{"rows": [{"a": 1, "a": 2}]}', True, id="inner"),
        pytest.param(b'{"rows": [], "rows": []}', True, id="outer"),
        pytest.param(b'{"a": 1, "\\u0061": 1}', True, id="escaped"),
        pytest.param(b'[{"a": 1}, {"a": 1}]', False, id="in-two-objects"),
        pytest.param(b'{"a": ' + b"7" * 10_000 + b', "a": 1}', True, id="huge-integer"),
        pytest.param(b'{"a": NaN, "a": 1}', True, id="nan"),
        pytest.param(b'{"a": 1, "a": 2', False, id="no-json"),
        pytest.param(b"\xff\xfe\xff", False, id="not-utf-8"),
        pytest.param(b"[" * 100_000, False, id="100000-levels"),
        pytest.param(b'{"a":' * 100_000, False, id="100000-objects"),
    ],
)
def test_duplicate_keys_are_found(body: bytes, duplicate: bool) -> None:
    assert look_at_objects(body).duplicates is duplicate


def test_the_most_crowded_object_is_counted() -> None:
    assert look_at_objects(b'{"rows": [{"a": 1, "b": 2, "c": 3}, {}]}').most_keys == 3
