"""Names of the bands that a number falls into, for slices."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def length_bands(texts: "pd.Series[str]", ends: Sequence[int]) -> "pd.Series[Any]":
    """Name the band of each text's length in characters; *ends* belong to the band below."""
    import pandas as pd

    names = [
        *(f"{low + 1} to {high}" for low, high in pairwise((0, *ends))),
        f"over {ends[-1]}",
    ]
    return pd.cut(texts.str.len(), [0, *ends, np.inf], labels=names).astype(str)
