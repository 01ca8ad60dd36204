"""Which processor the server gets and which the client, so that neither disturbs the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def processors() -> set[int]:
    """Return the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def shares() -> tuple[set[int], set[int]]:
    """Return the server's processor and the client's; all for both where there is one."""
    usable = sorted(processors())
    if len(usable) < 2 or not hasattr(os, "sched_setaffinity"):
        return set(usable), set(usable)
    return {usable[0]}, {usable[1]}


@contextmanager
def pinned(cpus: set[int]) -> Iterator[None]:
    """Have processes that this thread starts inside the block run on *cpus* only."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
