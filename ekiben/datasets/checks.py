"""What a table must be before anything is trained on it: typed, in range, enough of every label."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandas.api.types import is_bool_dtype

from ekiben.datasets.reading import LINE
from ekiben.errors import InvalidTable

MIN_ROWS_PER_LABEL = 10
"""So that training, validation and test rows each hold some of every label."""
MAX_EXACT = 2**53
"""Whole numbers up to here are exact as floats."""
MAX_SHOWN = 40
"""Characters of a refused value that a message shows."""
FLAGS: dict[object, bool] = {False: False, True: True, "0": False, "1": True} | {
    word: word.lower() == "true"
    for word in ("true", "false", "True", "False", "TRUE", "FALSE")
}
WORDS = {"float64": "number", "int64": "whole number", "bool": "truth value, 0 or 1"}

Problem = tuple[int, str]
"""The row it stands in, 0 for the whole table, and what is wrong."""


def check(frame: pd.DataFrame, schema: pa.DataFrameSchema, source: str) -> pd.DataFrame:
    """Return *frame* with the columns of *schema*, in its order, types and bounds.

    Raises:
        InvalidTable: with every problem, the row that it is in and the column.
    """
    problems: list[Problem] = []
    typed = _typed(frame, schema, problems)
    try:
        typed = schema.validate(typed, lazy=True)
    except pa.errors.SchemaErrors as error:
        problems += _told(error.failure_cases, frame.index)
    if problems:
        raise InvalidTable(source, [text for _, text in sorted(problems)])
    return typed[list(schema.columns)]


def check_labels(
    labels: "pd.Series[Any]", expected: Sequence[Any], source: str
) -> None:
    """Refuse a table that cannot be split: a label is missing or has too few rows.

    *expected* are the labels that must be there; without them, any two will do.
    """
    counts = {label: 0 for label in expected} | labels.value_counts().to_dict()
    problems = [
        f"column {labels.name}: label {label} has {count} rows without duplicates; "
        f"at least {MIN_ROWS_PER_LABEL} are needed"
        for label, count in counts.items()
        if count < MIN_ROWS_PER_LABEL
    ]
    if len(counts) < 2:
        problems.append(f"column {labels.name}: there must be at least two labels")
    if problems:
        raise InvalidTable(source, problems)


def _typed(
    frame: pd.DataFrame, schema: pa.DataFrameSchema, problems: list[Problem]
) -> pd.DataFrame:
    """Return the rows that are of the right types; the others go to *problems*."""
    kinds = {
        name: str(column.dtype)
        for name, column in schema.columns.items()
        if name in frame.columns
    }
    typed = frame.assign(**{n: _converted(frame[n], kind) for n, kind in kinds.items()})
    bad = typed[list(kinds)].isna()
    for name, kind in kinds.items():
        for row, value in frame.loc[bad[name], name].items():
            told = "is missing" if pd.isna(value) else f"is not a {WORDS[kind]}"
            problems.append(_problem(frame.index, row, name, value, told))
    return typed[~bad.any(axis=1)].astype(kinds)


def _converted(values: "pd.Series[Any]", kind: str) -> "pd.Series[Any]":
    """Return *values* as *kind*, missing where they are not."""
    if kind == "bool":
        return values.astype(object).map(FLAGS.get)
    if kind not in ("float64", "int64"):
        return values
    if is_bool_dtype(values):
        return pd.Series(float("nan"), values.index)
    numbers = pd.to_numeric(values, errors="coerce")
    if kind == "int64":
        return numbers.where((numbers % 1 == 0) & (numbers.abs() <= MAX_EXACT))
    return numbers


def _told(cases: pd.DataFrame, index: "pd.Index[Any]") -> Iterator[Problem]:
    """Put pandera's failure cases into words."""
    for case in cases.to_dict("records"):
        match case["check"]:
            case "column_in_dataframe":
                yield 0, f"column {case['failure_case']} is missing"
            case "column_in_schema":
                yield 0, f"column {case['failure_case']} is unknown"
            case told:
                yield _problem(
                    index, case["index"], case["column"], case["failure_case"], told
                )


def _problem(
    index: "pd.Index[Any]", row: Any, column: Any, value: Any, told: str
) -> Problem:
    line = int(row) + (0 if index.name == LINE else 2)
    shown = "" if pd.isna(value) else f"{str(value)[:MAX_SHOWN]!r} "
    return line, f"row {line}, column {column}: {shown}{told}"
