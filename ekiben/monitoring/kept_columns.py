"""Columns of rows as a record of the log keeps them: JSON, and wide tables of real numbers as bytes."""

import json
from collections.abc import Mapping

import numpy as np

from ekiben.use_cases.answers import Answers, Fields
from ekiben.use_cases.columns import Column
from ekiben.use_cases.json_text import as_text

MANY_NUMBERS = 10
"""Columns of real numbers. Of fewer the text is short, and who asks by SQL can read it."""
FLOAT64 = np.dtype("<f8")


def kept(columns: Mapping[str, Column]) -> tuple[str, bytes | None]:
    """Return *columns* as JSON, an object of lists, and what is not written down in it.

    Where many are of real numbers they are null in the JSON, and their values lie in the
    bytes: float64, little-endian, one column after the other in the order of the names.
    """
    real = {
        name: values
        for name, values in columns.items()
        if isinstance(values, np.ndarray) and values.dtype.kind == "f"
    }
    if len(real) < MANY_NUMBERS:
        return as_text(columns).decode(), None
    numbers = b"".join(np.ascontiguousarray(one, FLOAT64).data for one in real.values())
    return as_text({**columns, **dict.fromkeys(real)}).decode(), numbers


def listed(text: str, numbers: bytes | None, rows: int) -> list[Fields]:
    """Return so many *rows* of a record, kept as a list of them or as `kept` says."""
    found = json.loads(text)
    if isinstance(found, list):
        return found
    if numbers is not None:
        columns = iter(np.frombuffer(numbers, FLOAT64).reshape(-1, rows))
        found = {
            name: next(columns) if values is None else values
            for name, values in found.items()
        }
    return list(Answers(found, rows))
