"""Counts that outlive a worker that is killed: how many rows it took, how many are settled.

A small file per worker, mapped into its memory: counting costs no call of the system, and
what was counted is there after a SIGKILL. Who finds the file of a dead worker knows how
many rows died with it.
"""

import fcntl
import hashlib
import json
import logging
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ekiben.monitoring.ids import KEY_DIGITS

log = logging.getLogger(__name__)

HEADER_BYTES = 4096
"""What a file begins with: the names of its use cases as JSON, then zeros."""
PER_USE_CASE = 3
ACCEPTED, SETTLED, PENDING = range(PER_USE_CASE)
WORD = 8
ENDING = ".counts"


class LogCounts:
    """The counts of one worker; *words* are zeros, in a file or not."""

    def __init__(self, use_cases: Sequence[str], words: memoryview) -> None:
        self._at = {name: PER_USE_CASE * i for i, name in enumerate(use_cases)}
        self._batch = PER_USE_CASE * len(use_cases)
        self._words = words
        self._file: Path | None = None
        self._lock: int | None = None

    @classmethod
    def in_memory(cls, use_cases: Sequence[str]) -> "LogCounts":
        """Make counts that die with the process."""
        return cls(use_cases, memoryview(bytearray(_size(use_cases))).cast("Q"))

    @classmethod
    def in_file(
        cls, directory: Path, url: str, use_cases: Sequence[str]
    ) -> "LogCounts":
        """Make counts in a new file for a worker that writes to the log at *url*.

        Raises:
            OSError: it cannot be made, or there is no room for it.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = _new_locked(directory, mark_of(url))
        try:
            header = json.dumps(list(use_cases)).encode().ljust(HEADER_BYTES, b"\0")
            # Written in full: a mapped page without room on the disk would be a SIGBUS.
            _write_all(descriptor, header + bytes(_size(use_cases)))
            mapped = mmap.mmap(descriptor, 0)
        except BaseException:
            os.close(descriptor)
            Path(name).unlink(missing_ok=True)
            raise
        counts = cls(use_cases, memoryview(mapped)[HEADER_BYTES:].cast("Q"))
        counts._file, counts._lock = Path(name), descriptor
        return counts

    def accept(self, use_case: str, rows: int) -> None:
        """Count *rows* that were answered and are to be logged."""
        self._words[self._at[use_case] + ACCEPTED] += rows

    def settle(self, use_case: str, rows: int) -> None:
        """Count *rows* that are in the log, or counted as dropped."""
        self._words[self._at[use_case] + SETTLED] += rows

    def about_to_write(self, first_key: str, rows: Mapping[str, int]) -> None:
        """Note a batch before it is written; whether it was, the log tells by its first key.

        The key is noted first: an earlier batch's would be found in the log.
        """
        number = int(first_key, 16)
        self._words[self._batch] = number >> 64
        self._words[self._batch + 1] = number & (2**64 - 1)
        for use_case, count in rows.items():
            at = self._at[use_case]
            self._words[at + PENDING] = self._words[at + SETTLED] + count

    def close(self) -> None:
        """Remove the file if all is settled; else it stays, for the next worker to count."""
        if self._file is None or self._lock is None:
            return
        unsettled = any(
            self._words[at + ACCEPTED] != self._words[at + SETTLED]
            for at in self._at.values()
        )
        if not unsettled:
            self._file.unlink(missing_ok=True)
        # The mapping holds the file open: closing it here does not let go of the lock.
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        os.close(self._lock)
        self._lock = None


def lost_rows(
    directory: Path, url: str, contains: Callable[[str], bool]
) -> Iterator[dict[str, int]]:
    """Yield for each worker that died what it took and did not log: rows by use case.

    A worker's file is removed after its turn. *contains* tells whether the log at *url*
    has a request by its key, and may raise.
    """
    for path in sorted(directory.glob(f"{mark_of(url)}*{ENDING}")):
        with suppress(OSError), path.open("rb") as file:
            # Who lives holds its file locked.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink:
                yield _lost(file.read(), contains)
                path.unlink(missing_ok=True)


def mark_of(url: str) -> str:
    """Return what the files of workers of one log begin with."""
    return hashlib.sha256(url.encode()).hexdigest()[:16] + "-"


def _lost(content: bytes, contains: Callable[[str], bool]) -> dict[str, int]:
    try:
        names = json.loads(content[:HEADER_BYTES].rstrip(b"\0"))
        words = memoryview(content)[HEADER_BYTES:].cast("Q")
        high, low = words[PER_USE_CASE * len(names) :]
    except (ValueError, TypeError):
        # It died while it made the file, before it took any row.
        return {}
    written = (high or low) and contains(f"{high << 64 | low:0{KEY_DIGITS}x}")
    lost = {}
    for number, name in enumerate(names):
        start = PER_USE_CASE * number
        accepted, settled, pending = words[start : start + PER_USE_CASE]
        lost[name] = accepted - (max(settled, pending) if written else settled)
    return {name: rows for name, rows in lost.items() if rows > 0}


def _size(use_cases: Sequence[str]) -> int:
    return WORD * (PER_USE_CASE * len(use_cases) + 2)


def _new_locked(directory: Path, mark: str) -> tuple[int, str]:
    """Return a new file that is locked by its descriptor.

    Before it is locked, a worker that looks for dead ones' may take it for one and remove it.
    """
    while True:
        descriptor, name = tempfile.mkstemp(ENDING, mark, directory)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return descriptor, name
        except BaseException:
            os.close(descriptor)
            Path(name).unlink(missing_ok=True)
            raise
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
