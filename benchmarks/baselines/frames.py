"""Rows to a pandas frame per request, as articles write it."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ekiben.schemas.base import Row
from ekiben.use_cases.encoding import NumericColumns
from ekiben.use_cases.use_case import UseCase


def features(use_case: UseCase, rows: Sequence[Row]) -> Any:
    """Return what the estimator takes: the frame's text column, or its numbers.

    The numbers go in as an array: the estimators were fitted on one, and would warn
    about column names in every call.
    """
    frame = pd.DataFrame([row.model_dump() for row in rows])
    encoding = use_case.encoding
    if not isinstance(encoding, NumericColumns):
        return frame["text"]
    for name, known in encoding.categories.items():
        frame[name] = pd.Categorical(frame[name], categories=known).codes
    return frame.to_numpy(dtype="float64")
