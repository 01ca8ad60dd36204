"""Requests per second or minute: the generic cell rate algorithm, which keeps one number a caller."""

import re
from dataclasses import dataclass

from ekiben.errors import InvalidRate, RateLimited

SECONDS = {"second": 1.0, "minute": 60.0}
RATE = re.compile(r"([1-9][0-9]{0,6})/(second|minute)")
MAX_CALLERS = 10_000
"""Callers remembered at a time; of keys there are far fewer."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests per so many seconds, all of which may come at once."""

    requests: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Read `N/second` or `N/minute`.

        Raises:
            InvalidRate: it is neither.
        """
        found = RATE.fullmatch(text)
        if found is None:
            raise InvalidRate(text)
        return cls(int(found[1]), SECONDS[found[2]])

    def __str__(self) -> str:
        unit = next(name for name, length in SECONDS.items() if length == self.seconds)
        return f"{self.requests}/{unit}"


class Rates:
    """When each caller's allowance is whole again; for one thread.

    A burst may use up all of the allowance, which then refills evenly. Refused requests
    cost nothing: whoever waits as long as it was told is answered.
    """

    def __init__(self) -> None:
        self._whole: dict[str, float] = {}

    def take(self, caller: str, rate: Rate, now: float) -> None:
        """Count one request of *caller*; *now* is in seconds of any steady clock.

        Raises:
            RateLimited: says after how many seconds the next one is allowed.
        """
        step = rate.seconds / rate.requests
        whole = max(self._whole.get(caller, now), now) + step
        wait = whole - rate.seconds - now
        # A fraction of a step is no more than the rounding of the sums.
        if wait > step * 1e-6:
            raise RateLimited(wait)
        if len(self._whole) >= MAX_CALLERS:
            self._forget(now)
        self._whole[caller] = whole

    def _forget(self, now: float) -> None:
        """Forget whose allowance is whole, which changes nothing for them; at worst all."""
        kept = {name: time for name, time in self._whole.items() if time > now}
        self._whole = kept if len(kept) < MAX_CALLERS else {}
