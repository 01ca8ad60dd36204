"""LightGBM's trees, asked through its C API.

`Booster.predict` spends 50 microseconds around every call of it: as much as a row
takes. The function is public in C; its door in Python is not, so a new LightGBM may
move it. The lock file names the version that the tests have seen.
"""

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ekiben.use_cases.use_case import Floats

if TYPE_CHECKING:
    from lightgbm import Booster

FLOAT64 = ctypes.c_int(1)
ROW_MAJOR = ctypes.c_int(1)
NORMAL = ctypes.c_int(0)
"""The kind of prediction: after the objective's transformation, as users see it."""
FIRST_TREE, ALL_TREES = ctypes.c_int(0), ctypes.c_int(-1)
PARAMETERS = ctypes.c_char_p(b"num_threads=1 verbosity=-1")


def positive_scorer(booster: "Booster") -> Callable[[Floats], Floats]:
    """Make the function from rows to one number each, `booster.predict` on one thread."""
    from lightgbm.basic import _LIB, _safe_call

    predict, handle = _LIB.LGBM_BoosterPredictForMat, booster._handle
    columns = booster.num_feature()

    def score(features: Floats) -> Floats:
        matrix = np.ascontiguousarray(features, dtype=np.float64)
        rows, width = matrix.shape
        if width != columns:
            raise ValueError(f"{columns} columns are needed, not {width}")
        found, written = np.empty(rows, dtype=np.float64), ctypes.c_int64(0)
        status = predict(
            handle,
            matrix.ctypes.data_as(ctypes.c_void_p),
            FLOAT64,
            ctypes.c_int32(rows),
            ctypes.c_int32(columns),
            ROW_MAJOR,
            NORMAL,
            FIRST_TREE,
            ALL_TREES,
            PARAMETERS,
            ctypes.byref(written),
            found.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
        )
        _safe_call(status)
        return found

    # The handle is freed with its booster, which must live as long as this function.
    score.booster = booster  # type: ignore[attr-defined]
    return score
