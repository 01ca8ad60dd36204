"""Ids of predictions: UUIDs of version 7 whose last three digits number the rows of a request.

The other digits are the key of the request. Under it the log holds all of its rows in one
record, in which each of them is found by its id.
"""

from uuid import UUID

from uuid_utils import uuid7

DIGITS, KEY_DIGITS = 32, 29
NUMBERS = tuple(f"{number:03x}" for number in range(16**3))
"""How the id of each row of a request ends; there are more than a request may have rows."""


def fresh() -> str:
    """Return what the ids of one request begin with, all but one of `NUMBERS`."""
    return str(uuid7())[: -len(NUMBERS[0])]


def key_of(begin: str) -> str:
    """Return the key of the request whose ids *begin* so."""
    return begin.replace("-", "")


def split(prediction_id: str) -> tuple[str, int]:
    """Return the key of the request and the number of the row.

    Raises:
        ValueError: *prediction_id* has not the digits of a UUID.
    """
    digits = prediction_id.replace("-", "").lower()
    if len(digits) != DIGITS:
        raise ValueError(f"not {DIGITS} digits")
    return digits[:KEY_DIGITS], int(digits[KEY_DIGITS:], 16)


def joined(key: str, number: int) -> str:
    """Return the id of row *number* of the request with this *key*."""
    return str(UUID(key + NUMBERS[number]))
