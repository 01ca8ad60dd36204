"""What a model raises that was made to fail."""

import json
from collections.abc import Callable

from pydantic import TypeAdapter

FAILURES: tuple[Callable[[], object], ...] = (
    lambda: TypeAdapter(int).validate_python("s3cret-of-the-model"),
    lambda: dict[str, str]()["s3cret-of-the-model"],
    lambda: exec("assert False, 's3cret-of-the-model'"),
    lambda: json.loads("s3cret-of-the-model"),
    lambda: 1 / 0,
)
"""What a model raises for a sepal_length of 20, 21, ..."""
