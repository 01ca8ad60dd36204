"""What a table must be before anything is trained on it: typed, in range, enough of every label."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandas.api.types import is_bool_dtype, pandas_dtype

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
FAILURE = ("index", "column", "failure_case", "check")

Problem = tuple[int, str]
"""The row it stands in, 0 for the whole table, and what is wrong."""


def check(frame: pd.DataFrame, schema: pa.DataFrameSchema, source: str) -> pd.DataFrame:
    """Return *frame* with the columns of *schema*, in its order, types and bounds.

    Raises:
        InvalidTable: with every problem, the row that it is in and the column.
    """
    problems = _column_problems(frame, schema)
    typed: dict[str, pd.Series[Any]] = {}
    for name in schema.columns:
        if name in frame.columns:
            typed[name] = _typed(frame[name], _kind(schema, name), problems)
            alone = pa.DataFrameSchema({name: schema.columns[name]})
            problems += _failures(typed[name].to_frame(), alone)
    if not problems:  # what the schema says of columns together
        problems += _failures(pd.DataFrame(typed), schema)
    if problems:
        raise InvalidTable(source, [text for _, text in sorted(problems)])
    return pd.DataFrame(typed)


def check_labels(
    labels: "pd.Series[Any]", expected: Sequence[Any], source: str
) -> None:
    """Refuse a table that cannot be split: a label is missing or has too few rows.

    *expected* are the labels that must be there; without them, any two will do.
    """
    counts = {label: 0 for label in expected} | labels.value_counts().to_dict()
    problems = [
        f"column {labels.name}: label {label} has {count} row(s) without duplicates; "
        f"at least {MIN_ROWS_PER_LABEL} are needed"
        for label, count in counts.items()
        if count < MIN_ROWS_PER_LABEL
    ]
    if len(counts) < 2:
        problems.append(f"column {labels.name}: there must be at least two labels")
    if problems:
        raise InvalidTable(source, problems)


def _column_problems(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> list[Problem]:
    missing = [name for name in schema.columns if name not in frame.columns]
    unknown = [name for name in frame.columns if name not in schema.columns]
    return [
        *((0, f"column {name} is missing") for name in missing),
        *((0, f"column {name} is unknown") for name in unknown),
    ]


def _kind(schema: pa.DataFrameSchema, name: str) -> str:
    kind = str(schema.columns[name].dtype)
    return "str" if kind.startswith("str") else kind


def _typed(
    values: "pd.Series[Any]", kind: str, problems: list[Problem]
) -> "pd.Series[Any]":
    """Return the values that are of *kind*; the others go to *problems*."""
    converted = _converted(values, kind)
    bad = converted.isna()
    for row, value in values[bad].items():
        told = "is missing" if pd.isna(value) else f"is not a {WORDS[kind]}"
        problems.append(_problem(values.index, row, values.name, value, told))
    return converted[~bad].astype(pandas_dtype(kind))


def _converted(values: "pd.Series[Any]", kind: str) -> "pd.Series[Any]":
    """Return *values* as *kind*, missing where they are not."""
    if kind == "bool":
        return values.astype(object).map(FLAGS.get)
    if kind not in ("float64", "int64"):
        return values
    if is_bool_dtype(values):
        return pd.Series(float("nan"), values.index, name=values.name)
    numbers = pd.to_numeric(values, errors="coerce")
    if kind == "int64":
        return numbers.where((numbers % 1 == 0) & (numbers.abs() <= MAX_EXACT))
    return numbers


def _failures(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> list[Problem]:
    """Return what pandera finds, in words."""
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        return [
            _problem(frame.index, row, column, value, told)
            for row, column, value, told in zip(
                *(error.failure_cases[name] for name in FAILURE), strict=True
            )
        ]
    return []


def _problem(
    index: "pd.Index[Any]", row: Any, column: Any, value: Any, told: str
) -> Problem:
    if pd.isna(row):
        return 0, f"the table fails the check {told}"
    line = int(row) + (0 if index.name == LINE else 2)
    shown = "" if pd.isna(value) else f"{_shown(value)!r} "
    return line, f"row {line}, column {column}: {shown}{told}"


def _shown(value: Any) -> str:
    """Return the value much as the file has it: 957, though it was read as 957.0."""
    text = f"{value:.15g}" if isinstance(value, float) else str(value)
    return text[:MAX_SHOWN]
