"""The gates between a version and production: verdicts on numbers, nothing measured here.

What is not a number, or is not known, never passes.
"""

from ekiben.gates.numbers import (
    FAST_ENOUGH_MS,
    MAIN_TOLERANCE,
    METRIC_TOLERANCE,
    SLICE_TOLERANCE,
    TOO_SLOW_MS,
    calibration,
    floors,
    is_worse,
    latency,
    not_measured,
    regression,
    slices,
)
from ekiben.gates.papers import (
    golden,
    integrity,
    libraries,
    loading,
    provenance,
    schema,
)

__all__ = [
    "FAST_ENOUGH_MS",
    "MAIN_TOLERANCE",
    "METRIC_TOLERANCE",
    "SLICE_TOLERANCE",
    "TOO_SLOW_MS",
    "calibration",
    "floors",
    "golden",
    "integrity",
    "is_worse",
    "latency",
    "libraries",
    "loading",
    "not_measured",
    "provenance",
    "regression",
    "schema",
    "slices",
]
