"""How long what is in flight will take: the model's cost, and what comes on top of it."""

import math
from collections import deque
from dataclasses import dataclass

from ekiben.serving.cost import SHARE_OF_NEWEST, Cost

SHRINKING_PAYS = 0.7
"""A batch is made smaller only while half the rows take less than this share of the time."""


@dataclass(frozen=True)
class Limits:
    """What one dispatcher may take on.

    Work of *queue_seconds* may be in flight. A model call takes at most *batch_rows*
    rows, or fewer where those would take longer than *batch_seconds*.
    """

    queue_seconds: float
    batch_rows: int
    batch_seconds: float


class Pace:
    """The speed of one use case in one worker, learned from calls that followed each other.

    On top of the model's processor time comes what the worker does beside it: reading
    requests, writing answers, other use cases' calls. It is kept per request.
    """

    def __init__(self, limits: Limits) -> None:
        self.cost = Cost()
        self._batch_rows = limits.batch_rows
        self._batch_seconds = limits.batch_seconds
        self._queue_seconds = limits.queue_seconds
        self._beside = 0.0
        self._newest = deque([0.0, 0.0], maxlen=3)
        self.allowed = limits.queue_seconds
        """Seconds of work that may be in flight."""
        self.calm_rows = math.inf
        """So many rows in flight are no reason to look closer."""

    def learn(self, cost: Cost, rows: int, jobs: int, seconds: float) -> None:
        """Take in that a busy worker took *seconds* from the call before to the end of this one."""
        self._newest.append(max(0.0, seconds - cost.expected(rows)) / jobs)
        # A worker that was stopped for a second is not slow after it.
        middle = sorted(self._newest)[1]
        self._beside += SHARE_OF_NEWEST * (middle - self._beside)
        self.know(cost)

    def know(self, cost: Cost) -> None:
        """Take in what the model that answers now costs."""
        self.cost = cost
        dearest = cost.expected(1) + self._beside
        # However long one call takes, the next one may wait for it.
        self.allowed = max(self._queue_seconds, 2 * cost.expected(1))
        self.calm_rows = self.allowed / dearest if dearest else math.inf

    def seconds(self, rows: int, jobs: float) -> float:
        """Return what *rows* rows of *jobs* requests should take."""
        batches = max(1.0, rows / self._batch_rows)
        call = self.cost.expected(min(rows, self._batch_rows))
        return batches * call + jobs * self._beside

    def room(self, cost: Cost, waiting: int) -> int:
        """Return how many of *waiting* rows the next call should take.

        As many as fit into the time that a call should take, so that a short request
        never waits long for its turn; a model that is no faster with fewer rows gets
        them all.
        """
        room = self._batch_rows
        expected = cost.expected(min(waiting, room))
        while expected > self._batch_seconds and room > 1:
            half = cost.expected(room // 2)
            if half > SHRINKING_PAYS * cost.expected(room):
                break
            room //= 2
            expected = half
        return room
