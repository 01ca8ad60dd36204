"""Metric files with all their blocks: a full disk refuses them, and kills nobody.

prometheus_client makes files with holes and maps them into memory. A page of such a file
for which the disk has no room is a SIGBUS, which ends the worker.
"""

import os
from pathlib import Path

from prometheus_client import values
from prometheus_client.mmap_dict import _INITIAL_MMAP_SIZE, MmapedDict


class ReservedDict(MmapedDict):
    """A metric file that is made in full."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        """Open the file, or make it.

        Raises:
            OSError: there is no room for it.
        """
        path = Path(filename)
        if not read_mode and not path.exists():
            fill(path, _INITIAL_MMAP_SIZE)
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]


def reserve_new_files() -> None:
    """Have prometheus_client make its files so, from here on in this process."""
    values.MmapedDict = ReservedDict  # type: ignore[attr-defined]


def reserve_grown_files(directory: Path, pid: int) -> None:
    """Give the files of *pid* the blocks that they lack: one that grew has holes again.

    Raises:
        OSError: there is no room for them.
    """
    for path in directory.glob(f"*_{pid}.db"):
        fill(path, path.stat().st_size)


def fill(path: Path, size: int) -> None:
    """Make the file if it is not there, with *size* bytes on the disk; keep what it holds.

    Raises:
        OSError: there is no room for it.
    """
    with path.open("ab") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        elif file.tell() < size:  # never shorter: another thread may make it grow
            file.truncate(size)
