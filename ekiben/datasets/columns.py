"""The kinds of table columns, with the words that a refused value is told in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

MAX_TEXT = 5000
"""The most characters of a text, as in a predict request."""


def number(low: float = -np.inf, high: float = np.inf) -> pa.Column:
    """Return a column of finite numbers from *low* to *high*, both allowed."""
    return pa.Column(
        float, [pa.Check(np.isfinite, error="is not finite"), _between(low, high)]
    )


def positive(high: float) -> pa.Column:
    """Return a column of numbers above 0 and up to *high*."""
    check = pa.Check.in_range(
        0.0, high, include_min=False, error=f"is not in (0, {high:g}]"
    )
    return pa.Column(float, check)


def whole(low: int, high: int) -> pa.Column:
    """Return a column of whole numbers from *low* to *high*, both allowed."""
    return pa.Column(int, _between(low, high))


def flag() -> pa.Column:
    """Return a column of true and false; files may say 0 and 1."""
    return pa.Column(bool)


def choice(options: Sequence[Any]) -> pa.Column:
    """Return a column whose values are among *options*, all of one type."""
    named = ", ".join(str(option) for option in options)
    check = pa.Check.isin(list(options), error=f"is not one of {named}")
    return pa.Column(type(options[0]), check)


def text() -> pa.Column:
    """Return a column of texts that a predict request could carry."""
    return pa.Column(
        str,
        [
            pa.Check(_not_blank, error="is blank"),
            pa.Check.str_length(
                max_value=MAX_TEXT, error=f"is longer than {MAX_TEXT} characters"
            ),
        ],
    )


def _between(low: float, high: float) -> pa.Check:
    return pa.Check.in_range(low, high, error=f"is not in [{low:g}, {high:g}]")


def _not_blank(values: "pd.Series[str]") -> "pd.Series[bool]":
    return values.str.strip() != ""
