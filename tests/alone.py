"""A pytest plugin: where two workers run tests, one marked `alone`
or `measures_time` has the machine to itself.

Limits on time and memory hold for a server on a quiet machine. With one worker nothing
is to be kept apart, and nothing is locked.
"""

import contextlib
import fcntl
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

ALONE = ("alone", "flaky")
"""Marks: `flaky` is what `tests.timing.measures_time` puts on what measures time."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run *item*, its fixtures included, beside others or alone; to wait is not its time."""
    if not hasattr(item.config, "workerinput"):
        return (yield)
    alone = any(item.get_closest_marker(name) for name in ALONE)
    with room(item.config.rootpath / "var", alone=alone):
        return (yield)


@contextlib.contextmanager
def room(folder: Path, *, alone: bool) -> Iterator[None]:
    """Be in the room of *folder* until the block ends, with others or *alone*.

    Who waits to be alone holds the door, so that those inside cannot pass the room
    on among themselves for ever.
    """
    folder.mkdir(exist_ok=True)
    with (
        (folder / "tests.door").open("w") as door,
        (folder / "tests.room").open("w") as inside,
    ):
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(inside, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            # What a test left running may have the file open, too.
            fcntl.flock(inside, fcntl.LOCK_UN)
