"""What a model call of so many rows is expected to take, learned from the calls before."""

import time
from collections.abc import Callable
from typing import TypeVar

WAITING_SECONDS = 0.05
"""A call that takes so long by the clock holds up all others, worked for or waited for."""

T = TypeVar("T")

BUCKETS = 16
SHARE_OF_NEWEST = 0.2


class Cost:
    """Seconds of processor time per call, one moving average per power of two of rows."""

    def __init__(self) -> None:
        self._seconds: list[float | None] = [None] * BUCKETS

    def expected(self, rows: int) -> float:
        """Return the seconds that a call of *rows* rows should take; 0 before any call.

        A size that was never seen is scaled from the nearest smaller one, else taken
        from the nearest larger one.
        """
        bucket = self._bucket(rows)
        for smaller in range(bucket, -1, -1):
            if (seconds := self._seconds[smaller]) is not None:
                return float(seconds * 2 ** (bucket - smaller))
        return next((s for s in self._seconds if s is not None), 0.0)

    def learn(self, rows: int, seconds: float) -> None:
        """Take in that a call of *rows* rows took *seconds*."""
        bucket = self._bucket(rows)
        known = self._seconds[bucket]
        if known is None:
            self._seconds[bucket] = seconds
        else:
            self._seconds[bucket] = known + SHARE_OF_NEWEST * (seconds - known)

    def time(self, rows: int, call: Callable[[], T]) -> T:
        """Make *call*, which answers *rows* rows, and take in what it took.

        Processor time of this thread, so that a busy machine does not make a model slow;
        but for a call so long that it must not happen on the event loop again.
        """
        start, worked = time.perf_counter(), time.thread_time()
        result = call()
        worked, seconds = time.thread_time() - worked, time.perf_counter() - start
        self.learn(rows, seconds if seconds > WAITING_SECONDS else worked)
        return result

    @staticmethod
    def _bucket(rows: int) -> int:
        return min(rows.bit_length(), BUCKETS - 1)
