"""The threads that models run on, and whether their calls move."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class _Call:
    """One call under way: the processor time its thread had used when it last moved."""

    clock: int
    used: float
    moved: float


class ModelThreads(ThreadPoolExecutor):
    """An executor that can tell a slow call from one that hangs.

    A slow call uses processor time; one that waits for a lock which nobody opens uses
    none. `hung` has to be asked often: it measures from one time to the next.
    """

    def __init__(self, threads: int) -> None:
        super().__init__(threads, "model")
        self._calls: dict[int, _Call] = {}

    def start(self) -> None:
        """Start all threads now, or as many as there are: later there may be none left."""
        together = threading.Barrier(self._max_workers)
        try:
            for _ in range(self._max_workers):
                super().submit(together.wait)
        except RuntimeError:
            together.abort()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Run *fn* on a thread of the pool, under watch."""
        return super().submit(self._watched, fn, *args, **kwargs)

    def hung(self, seconds: float) -> bool:
        """Whether a call has used no processor time for *seconds*."""
        now = time.monotonic()
        return any(_still(call, now) > seconds for call in list(self._calls.values()))

    def _watched(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        thread = threading.get_ident()
        clock = time.pthread_getcpuclockid(thread)
        self._calls[thread] = _Call(clock, time.thread_time(), time.monotonic())
        try:
            return fn(*args, **kwargs)
        finally:
            del self._calls[thread]


def _still(call: _Call, now: float) -> float:
    """Return for how many seconds the call has not moved."""
    used = time.clock_gettime(call.clock)
    # A thread that wakes up only to wait again uses some microseconds.
    if used - call.used > 1e-3:
        call.used, call.moved = used, now
    return now - call.moved
