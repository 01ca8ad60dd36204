"""Equal documents have equal digests."""

import pytest
from pydantic import JsonValue

from ekiben.registry.canonical import digest_json, finite


def test_the_order_of_keys_makes_no_difference() -> None:
    assert digest_json({"a": 1, "b": [2.5]}) == digest_json({"b": [2.5], "a": 1})


def test_nan_has_no_digest_until_it_is_made_null() -> None:
    document: JsonValue = {"f1": float("nan"), "all": [1.0, float("inf")]}

    with pytest.raises(ValueError, match="not JSON compliant"):
        digest_json(document)
    assert finite(document) == {"f1": None, "all": [1.0, None]}
