"""What a JSON parser does not refuse by itself: bodies that nest too deep, keys named twice."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

MAX_DEPTH = 32
"""How deep a body may nest; a predict request needs three levels."""

TOO_DEEP = f"The body nests deeper than {MAX_DEPTH} levels."
DUPLICATE_KEYS = "The body has an object that names a key twice."


# Possessive, and with an optional closing quote, so that no body makes it look back.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
# Opening brackets become 1, closing ones 255, which is -1 in eight bits.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


def body_depth(body: bytes) -> int:
    """Return how deep arrays and objects nest in *body*, valid JSON or not; linear."""
    brackets = _STRING.sub(b"", body).translate(_STEPS, _NO_BRACKETS)
    if not brackets:
        return 0
    depths = np.cumsum(np.frombuffer(brackets, dtype=np.int8), dtype=np.int64)
    return max(0, int(depths.max()))


def is_too_deep(body: bytes, limit: int = MAX_DEPTH) -> bool:
    """Whether *body* nests deeper than *limit*."""
    return body_depth(body) > limit


@dataclass(frozen=True)
class Objects:
    """What the objects of a body are like: the most keys that one has, and whether any repeats one."""

    most_keys: int
    duplicates: bool


def look_at_objects(body: bytes) -> Objects:
    """Look at every object in *body*; of what is no JSON, at those before the fault."""
    most = 0
    duplicates = False

    def look(pairs: list[tuple[str, object]]) -> None:
        nonlocal most, duplicates
        most = max(most, len(pairs))
        duplicates = duplicates or len({key for key, _ in pairs}) != len(pairs)

    # Numbers stay text: Python refuses to parse integers of thousands of digits.
    with suppress(ValueError, RecursionError):
        json.loads(body, object_pairs_hook=look, parse_int=str, parse_float=str)
    return Objects(most, duplicates)
