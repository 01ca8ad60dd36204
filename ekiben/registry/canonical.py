"""One way to write JSON, so that equal documents have equal digests."""

import hashlib
import json
import math

from pydantic import JsonValue


def canonical(document: JsonValue) -> str:
    """Return *document* as JSON with sorted keys and no spaces.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_json(document: JsonValue) -> str:
    """Return the sha256 of the canonical *document*."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()


def finite(document: JsonValue) -> JsonValue:
    """Return *document* with null for every number that is none."""
    if isinstance(document, dict):
        return {name: finite(value) for name, value in document.items()}
    if isinstance(document, list):
        return [finite(value) for value in document]
    if isinstance(document, float) and not math.isfinite(document):
        return None
    return document
