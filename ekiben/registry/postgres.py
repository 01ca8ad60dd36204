"""A connection to PostgreSQL that gives up: a server that hangs must hold nobody."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg

_until: ContextVar[float | None] = ContextVar("_until", default=None)
"""The moment, on the monotonic clock, at which the operation of this thread gives up."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Let everything in the block, however many statements, take *seconds* together."""
    token = _until.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _until.reset(token)


class PatientConnection(psycopg.Connection[Any]):
    """Waits no longer than `limited` says.

    PostgreSQL's own timeouts need a server that works: one that is stopped, or behind a
    network that swallows packets, would be waited for without end.
    """

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """Run *gen*, psycopg's exchange with the server, unless time is up.

        Raises:
            OperationalError: it is; the connection is closed, as its state is unknown.
        """
        return super().wait(self._in_time(gen), *arguments, **options)

    def _in_time(self, gen: Any) -> Any:
        # psycopg resumes this ten times a second even when nothing arrives.
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and _left() <= 0:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("it does not answer")
                # Told that nothing is ready, an exchange has nothing new to wait for.
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value


def connect(*arguments: Any, **parameters: Any) -> PatientConnection:
    """Connect while there is time; psycopg takes no less than two seconds.

    Raises:
        OperationalError: there is none left, or the server cannot be reached.
    """
    left = _left()
    if left <= 0:
        raise psycopg.OperationalError("it does not answer")
    if left != float("inf"):
        parameters["connect_timeout"] = max(2, round(left))
    return PatientConnection.connect(*arguments, **parameters)


def _left() -> float:
    until = _until.get()
    return float("inf") if until is None else until - time.monotonic()
