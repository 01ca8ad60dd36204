"""Limits of time in tests: a machine that was busy elsewhere gets a second and a third measurement.

Only a time that is too long is measured again; a wrong answer, a lost row or any other
failure stands at once. A server that lacks its defence is too slow all three times.
"""

import pytest


class TooSlow(AssertionError):
    """It took longer than it may."""


def at_most(limit: float, measured: float) -> None:
    """Check a measured time, or how many times longer than another it is.

    Raises:
        TooSlow: if *measured* is over *limit*.
    """
    if measured > limit:
        raise TooSlow(f"{measured:.3f}, where at most {limit:.3f} will do")


measures_time = pytest.mark.flaky(reruns=2, reruns_delay=2, only_rerun="TooSlow")
