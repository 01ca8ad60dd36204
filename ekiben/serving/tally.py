"""What came of the requests of one use case, counted cheaply and published ten times a second."""

import asyncio
from collections.abc import Callable

from ekiben.errors import (
    BatchShapeMismatch,
    ClientGone,
    DeadlineExceeded,
    NotReady,
)
from ekiben.serving import metrics

PUBLISH_SECONDS = 0.1

DROPPED = ("overloaded", "deadline", "client_gone")
REFUSED = ("deadline", "client_gone", "not_ready", "batch_shape_mismatch", "failed")


def reason_of(error: Exception) -> str:
    """Return the word that the metrics have for *error*."""
    match error:
        case DeadlineExceeded():
            return "deadline"
        case ClientGone():
            return "client_gone"
        case NotReady():
            return "not_ready"
        case BatchShapeMismatch():
            return "batch_shape_mismatch"
        case _:
            return "failed"


class Tally:
    """Counts of one use case: when nothing is in flight, admitted = answered + refused.

    A metric costs more than a request may: the usual counts are plain integers
    until `publish`. *now* gives the rows that wait, and those in flight; *also* publishes
    what else is counted.
    """

    def __init__(
        self,
        use_case: str,
        now: Callable[[], tuple[int, int]],
        also: Callable[[], None] = lambda: None,
    ) -> None:
        self._now = now
        self._also = also
        self.admitted = 0
        self.answered = 0
        self.direct = 0
        """Requests answered past the guard, which counts its own."""
        self._ok = metrics.requests.labels(use_case, "200", "")
        self._admitted = metrics.admitted_requests.labels(use_case)
        self._answered = metrics.answered_requests.labels(use_case)
        self._refused = {
            reason: metrics.refused_requests.labels(use_case, reason)
            for reason in REFUSED
        }
        self._dropped = {
            reason: metrics.dropped_requests.labels(use_case, reason)
            for reason in DROPPED
        }
        self._queued = metrics.queued_rows.labels(use_case)
        self._in_flight = metrics.rows_in_flight.labels(use_case)
        self._timed = False

    def refuse(self, error: Exception) -> None:
        """Count an admitted request that ends with *error*."""
        self._refused[reason_of(error)].inc()

    def drop(self, reason: str) -> None:
        """Count a request that the model never saw."""
        self._dropped[reason].inc()

    def admit(self) -> None:
        """Count a request that is let in; the metrics learn of it within PUBLISH_SECONDS."""
        self.admitted += 1
        if not self._timed:
            self._timed = True
            asyncio.get_running_loop().call_later(PUBLISH_SECONDS, self.publish)

    def publish(self) -> None:
        """Give the metrics what was counted since the last time, and the rows of now."""
        _, in_flight = self._now()
        # Once more after the last request, whose end may be counted after this turn.
        self._timed = in_flight > 0 or self.admitted > 0
        if self._timed:
            asyncio.get_running_loop().call_later(PUBLISH_SECONDS, self.publish)
        self.write()

    def write(self) -> None:
        """Give the metrics everything now."""
        queued, in_flight = self._now()
        self._also()
        if self.admitted:
            self._admitted.inc(self.admitted)
            self.admitted = 0
        if self.answered:
            self._answered.inc(self.answered)
            self.answered = 0
        if self.direct:
            self._ok.inc(self.direct)
            self.direct = 0
        self._queued.set(queued)
        self._in_flight.set(in_flight)
