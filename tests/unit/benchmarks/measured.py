"""Made-up measurements."""

from collections.abc import Sequence

from benchmarks.load import Figures
from benchmarks.results import Case, Measurement

CASE = Case("iris", 1, 32)


def measured(
    server: str,
    answered: Sequence[float],
    *,
    case: Case = CASE,
    non_2xx: int = 0,
    p50_ms: float = 1.0,
    p99_ms: float = 2.0,
) -> list[Measurement]:
    """Return one measurement a repeat, *answered* good answers in one second each."""
    return [
        Measurement(
            server,
            case,
            repeat,
            Figures(int(count) + non_2xx, 1.0, p50_ms, p99_ms, non_2xx, 0),
            300.0 + repeat,
        )
        for repeat, count in enumerate(answered)
    ]
