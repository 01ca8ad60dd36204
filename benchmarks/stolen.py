"""What other guests of the host take of a virtual machine's processors while it measures.

Linux counts it as `steal` in /proc/stat, see proc(5): time that a processor wanted to run
and was not let. A load during which a fifth of the time is stolen says nothing of a server.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.load import Figures

STAT = Path("/proc/stat")
STEAL = 7
"""Its place among the counts of the line, which come in the order of proc(5)."""
OWN = 8
"""Counts after these are part of others."""

MOST = 0.05
"""Share of the processors' time: with more a load is measured again."""
TRIES = 3


def ticks(stat: Path = STAT) -> tuple[int, int]:
    """Return what was stolen of all processors since the start, and their whole time.

    In the same unit; (0, 0) on a system that does not tell.
    """
    try:
        first = stat.read_text(encoding="ascii").partition("\n")[0]
    except OSError:
        return 0, 0
    counts = [int(one) for one in first.split()[1:]][:OWN]
    return (counts[STEAL], sum(counts)) if len(counts) == OWN else (0, 0)


def undisturbed(
    measure: Callable[[], Figures], now: Callable[[], tuple[int, int]] = ticks
) -> Figures:
    """Return what *measure* finds while the processors are nearly all ours.

    Every server is given the same three tries; of those that were all disturbed the least.
    """
    found: dict[float, Figures] = {}
    for _ in range(TRIES):
        stolen, whole = now()
        figures = measure()
        then, end = now()
        if end == whole:
            return figures
        share = (then - stolen) / (end - whole)
        found[share] = replace(figures, stolen=share)
        if share <= MOST:
            break
    return found[min(found)]
