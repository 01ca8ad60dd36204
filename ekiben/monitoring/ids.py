"""Ids of predictions: UUIDs of version 7 whose last three digits number the rows of a record.

The other digits are the record's key: the log holds all rows of a request in one, or of
several that were answered together, and each of them is found in it by its id.
"""

from uuid import UUID

from uuid_utils import uuid7

DIGITS, KEY_DIGITS = 32, 29
NUMBERS = tuple(f"{number:03x}" for number in range(16**3))
"""How the id of each row of a record ends; there are more than a request may have rows."""


def fresh() -> str:
    """Return what the ids of one record begin with, all but one of `NUMBERS`."""
    return str(uuid7())[: -len(NUMBERS[0])]


def key_of(begin: str) -> str:
    """Return the key of the record whose ids *begin* so."""
    return begin.replace("-", "")


def split(prediction_id: str) -> tuple[str, int]:
    """Return the key of the record and the number of the row.

    Raises:
        ValueError: *prediction_id* has not the digits of a UUID.
    """
    digits = prediction_id.replace("-", "").lower()
    if len(digits) != DIGITS:
        raise ValueError(f"not {DIGITS} digits")
    return digits[:KEY_DIGITS], int(digits[KEY_DIGITS:], 16)


def joined(key: str, number: int) -> str:
    """Return the id of row *number* of the record with this *key*."""
    return str(UUID(key + NUMBERS[number]))
