"""Private directories to prepare a version in; those of dead processes are swept."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ekiben.registry.files import locked

LOCK = ".lock"


@contextmanager
def workspace(staging: Path) -> Iterator[Path]:
    """Make a directory under *staging* that no other process touches; remove it after.

    A process that was killed leaves its directory to the next call. A directory is
    made, locked and swept only under the lock of *staging*, so none is ever seen
    between its making and its locking.
    """
    staging.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with locked(staging / LOCK):
            _sweep(staging)
            directory = Path(tempfile.mkdtemp(dir=staging))
            held.enter_context(locked(directory / LOCK))
            held.callback(shutil.rmtree, directory, ignore_errors=True)
        yield directory


def _sweep(staging: Path) -> None:
    for directory in staging.iterdir():
        if not directory.is_dir() or directory.is_symlink():
            continue
        try:
            with locked(directory / LOCK, wait=False):
                shutil.rmtree(directory, ignore_errors=True)
        except (BlockingIOError, FileNotFoundError):  # alive, or just gone by itself
            continue
