"""LightGBM's C library, asked without its Python package.

`import lightgbm` brings scikit-learn, SciPy and pandas along, 100 MB of them, and
`Booster.predict` spends 50 microseconds around every call: as much as a row takes.
The functions are public in C. A test compares every answer with the package's.
"""

import ctypes
import sys
import weakref
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ekiben.compiled.artefact import Floats, Malformed

FLOAT64 = ctypes.c_int(1)
ROW_MAJOR = ctypes.c_int(1)
NORMAL = ctypes.c_int(0)
"""The kind of prediction: after the objective's transformation, as users see it."""
FIRST_TREE, ALL_TREES = ctypes.c_int(0), ctypes.c_int(-1)
PARAMETERS = ctypes.c_char_p(b"num_threads=1 verbosity=-1")
SUFFIX = "dylib" if sys.platform == "darwin" else "so"


@cache
def _path() -> str:
    # The specification of a package is found without running any of it.
    spec = find_spec("lightgbm")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("lightgbm is not installed")
    return str(Path(spec.origin).parent / "lib" / f"lib_lightgbm.{SUFFIX}")


@cache
def _library() -> Any:
    """Return the library, called without the interpreter's lock."""
    library = ctypes.CDLL(_path())
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


@cache
def _locked_library() -> Any:
    """Return the same library, called with the interpreter's lock held.

    A row takes a few microseconds; to give the lock away for that, and to wait for it
    again beside a busy thread, can take milliseconds.
    """
    return ctypes.PyDLL(_path())


class Booster:
    """A LightGBM model in the library's memory, freed with this object.

    *text* is what `Booster.model_to_string` gives. It is not checked before the
    library parses it: what was cut or changed may crash the process.

    Raises:
        Malformed: the library refuses it.
    """

    def __init__(self, text: str) -> None:
        iterations, self._handle = ctypes.c_int(0), ctypes.c_void_p()
        _check(
            _library().LGBM_BoosterLoadModelFromString(
                text.encode(), ctypes.byref(iterations), ctypes.byref(self._handle)
            )
        )
        _free_with(self, _library().LGBM_BoosterFree, self._handle)
        self.columns = self._number("LGBM_BoosterGetNumFeature")
        self.outputs = self._number("LGBM_BoosterGetNumClasses")

    def scorer(self) -> Callable[[Floats], Floats]:
        """Make the function from rows to `outputs` numbers each, on one thread.

        It returns (rows,) where there is one output. One row takes the library's
        short cut for single rows.
        """
        predict, handle = _library().LGBM_BoosterPredictForMat, self._handle
        predict_one = _locked_library().LGBM_BoosterPredictForMatSingleRowFast
        single = self._single()
        columns, outputs = self.columns, self.outputs
        written = ctypes.c_int64(0)
        count, address = ctypes.byref(written), ctypes.c_void_p

        def score(features: Floats) -> Floats:
            matrix = np.ascontiguousarray(features, dtype=np.float64)
            rows, width = matrix.shape
            if width != columns:
                raise ValueError(f"{columns} columns are needed, not {width}")
            found = np.empty(rows * outputs, dtype=np.float64)
            given, taken = address(matrix.ctypes.data), address(found.ctypes.data)
            if rows == 1:
                status = predict_one(single, given, count, taken)
            else:
                status = predict(
                    handle,
                    given,
                    FLOAT64,
                    ctypes.c_int32(rows),
                    ctypes.c_int32(columns),
                    ROW_MAJOR,
                    NORMAL,
                    FIRST_TREE,
                    ALL_TREES,
                    PARAMETERS,
                    count,
                    taken,
                )
            _check(status)
            return found if outputs == 1 else found.reshape(rows, outputs)

        # What was allocated is freed with this object, which must outlive the function.
        score.booster = self  # type: ignore[attr-defined]
        return score

    def _single(self) -> ctypes.c_void_p:
        """Prepare the short cut for single rows."""
        single = ctypes.c_void_p()
        _check(
            _library().LGBM_BoosterPredictForMatSingleRowFastInit(
                self._handle,
                NORMAL,
                FIRST_TREE,
                ALL_TREES,
                FLOAT64,
                ctypes.c_int32(self.columns),
                PARAMETERS,
                ctypes.byref(single),
            )
        )
        _free_with(self, _library().LGBM_FastConfigFree, single)
        return single

    def _number(self, name: str) -> int:
        found = ctypes.c_int(0)
        _check(_library()[name](self._handle, ctypes.byref(found)))
        return found.value


def _free_with(owner: Booster, free: Any, handle: ctypes.c_void_p) -> None:
    """Free *handle* when *owner* goes, the last one first; not at the process's end."""
    weakref.finalize(owner, free, handle).atexit = False


def _check(status: int) -> None:
    if status != 0:
        raise Malformed(_library().LGBM_GetLastError().decode(errors="replace"))
