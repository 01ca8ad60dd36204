"""Request bodies for the load: real rows of a use case's table, or its examples varied."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ekiben.datasets import load
from ekiben.settings import Settings
from ekiben.use_cases.use_case import UseCase

BODIES = 200
"""How many different bodies go round, so that no answer can come out of a cache."""

LEAST = 8
"""Different bodies of many rows: a hundred of them would be megabytes, and tell no more."""

SPREAD = 0.1
"""By what share a number of an example row may move; all examples stay in bounds."""

Fields = dict[str, Any]


def table_rows(use_case: UseCase, settings: Settings, count: int) -> list[Fields]:
    """Return *count* rows of the use case's table, spread over its length."""
    table = load(
        use_case.dataset,
        data_dir=settings.data_dir,
        cache=settings.home / "ekiben" / "data",
        offline=settings.offline,
    )
    return use_case.encoding.rows_of(spread(table.frame, count))


def spread(frame: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return *count* rows at even distances, first row included; fewer if it has fewer."""
    step = max(1, len(frame) // count)
    return frame.iloc[::step].head(count)


def bodies(
    rows: Sequence[Fields],
    per_request: int,
    form: Callable[[Sequence[Fields]], bytes] | None = None,
) -> list[bytes]:
    """Return request bodies of *per_request* rows each, which go round the *rows*.

    There are as many as there are rows where a request has one, and fewer of more rows,
    but LEAST at least; every row is sent equally often.
    """
    form = form or encode
    step = max(1, min(per_request, len(rows) // LEAST))
    return [
        form([rows[(start + offset) % len(rows)] for offset in range(per_request)])
        for start in range(0, len(rows), step)
    ]


def encode(rows: Sequence[Fields]) -> bytes:
    """Return the body of one predict request, on one line."""
    return compact({"rows": list(rows)})


def compact(value: Any) -> bytes:
    """Return *value* as JSON without a space or a line's end."""
    return json.dumps(value, separators=(",", ":")).encode()


def varied(
    examples: Sequence[Mapping[str, Any]], count: int, rng: random.Random
) -> list[Fields]:
    """Return *count* rows like *examples*: see `vary`."""
    return [vary(rng.choice(examples), rng) for _ in range(count)]


def vary(example: Mapping[str, Any], rng: random.Random) -> Fields:
    """Return a row like *example*: fractions moved by up to 10 %, words in another order.

    Whole numbers, booleans and names of categories stay, since only the schema
    knows which others there are.
    """
    return dict(_vary(example, rng))


def _vary(example: Mapping[str, Any], rng: random.Random) -> Iterator[tuple[str, Any]]:
    for name, value in example.items():
        if isinstance(value, float):
            yield name, value * rng.uniform(1 - SPREAD, 1 + SPREAD)
        elif isinstance(value, str) and " " in value:
            words = value.split()
            rng.shuffle(words)
            yield name, " ".join(words)
        else:
            yield name, value
