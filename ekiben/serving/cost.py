"""What a model call of so many rows is expected to take, learned from the calls before."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

BUCKETS = 16
SHARE_OF_NEWEST = 0.2


class Cost:
    """Seconds per call, one moving average per power of two of rows."""

    def __init__(self) -> None:
        self._seconds: list[float | None] = [None] * BUCKETS
        self._waits = [0.0] * BUCKETS

    def expected(self, rows: int) -> float:
        """Return the seconds that a call of *rows* rows should take; 0 before any call.

        A size that was never seen is scaled from the nearest smaller one, but takes no
        longer than the nearest larger one.
        """
        bucket = min(rows.bit_length(), BUCKETS - 1)
        if (known := self._seconds[bucket]) is not None:
            return known
        for smaller in range(bucket, -1, -1):
            if (seconds := self._seconds[smaller]) is not None:
                scaled = float(seconds * 2 ** (bucket - smaller))
                return min(scaled, self._next_larger(bucket, scaled))
        return self._next_larger(bucket, 0.0)

    def _next_larger(self, bucket: int, otherwise: float) -> float:
        known = (one for one in self._seconds[bucket + 1 :] if one is not None)
        return next(known, otherwise)

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

        Processor time of this thread, so that a busy machine does not make a model slow,
        and what it waits: for a device, a network, threads of its own. A wait of the
        model's own comes every time; one that the call before did not have is the
        machine's: stopped, throttled or taken by others.
        """
        start, worked = time.perf_counter(), time.thread_time()
        result = call()
        worked, seconds = time.thread_time() - worked, time.perf_counter() - start
        bucket, waited = self._bucket(rows), max(0.0, seconds - worked)
        self.learn(rows, worked + min(waited, self._waits[bucket]))
        self._waits[bucket] = waited
        return result

    @staticmethod
    def _bucket(rows: int) -> int:
        return min(rows.bit_length(), BUCKETS - 1)
