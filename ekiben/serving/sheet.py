"""Files of numbers that `/metrics` adds up over all workers, one set per loaded version.

prometheus_client keeps a process's numbers in one file per type, from which nothing can
be taken away: a version that is let go would stay in `/metrics` until the server ends.
So each version's numbers are in files of their own, which are emptied and used again.
"""

import math
import os
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import psutil
from prometheus_client.mmap_dict import MmapedDict

from ekiben.serving.metric_files import fill

BYTES = {"histogram": 32 * 1024, "counter": 4 * 1024, "gauge_livesum": 4 * 1024}
"""The types of a version's numbers, and how large their files are made; they can grow."""
REST_SECONDS = 5.0
"""An emptied file is not written again before: whoever reads it has seen it whole."""
EMPTY = 8
"""What the head of a file says when nothing is in it: its own eight bytes."""
DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

Keys = dict[str, Sequence[str]]
Numbers = dict[str, Sequence[float]]


class Sheet:
    """The files of one version at a time. For one thread."""

    def __init__(self, directory: Path, name: str) -> None:
        """Make the files.

        Raises:
            OSError: there is no room for them.
        """
        paths = {kind: directory / f"{kind}_{name}.db" for kind in BYTES}
        for kind, size in BYTES.items():
            fill(paths[kind], size)
        self._files = {
            kind: MmapedDict(str(path))  # type: ignore[no-untyped-call]
            for kind, path in paths.items()
        }
        self._keys: Keys = {}
        self._written: Numbers = {}

    def fill(self, keys: Keys) -> None:
        """Begin with zeros under *keys*, by type."""
        self._keys = keys
        self._written = {}
        self.write({kind: [0.0] * len(names) for kind, names in keys.items()})

    def write(self, numbers: Numbers) -> None:
        """Write those of *numbers* that changed, in the order of the keys."""
        for kind, values in numbers.items():
            before = self._written.get(kind) or [math.nan] * len(values)
            if values == before:
                continue
            write = self._files[kind].write_value
            for key, value, old in zip(self._keys[kind], values, before, strict=True):
                if value != old:
                    write(key, value, 0.0)  # type: ignore[no-untyped-call]
            self._written[kind] = values

    def empty(self) -> None:
        """Take everything away; who reads at this moment reads it whole."""
        for file in self._files.values():
            file._used = EMPTY
            file._positions.clear()
            # As a slice it is written at once: `pack_into` would write zeros first.
            file._m[:4] = struct.pack("i", EMPTY)


class Sheets:
    """The sheets of a use case: as many as versions are loaded, and a few that rest."""

    def __init__(
        self,
        use_case: str,
        directory: Path | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._use_case = use_case
        given = os.environ.get(DIRECTORY_VARIABLE)
        self._directory = directory or (Path(given) if given else None)
        self._now = now
        self._made = 0
        self._resting: deque[tuple[float, Sheet]] = deque()

    def take(self, keys: Keys) -> Sheet | None:
        """Return a sheet filled with zeros under *keys*; None where nobody reads one.

        Raises:
            OSError: there is no room for another.
        """
        if self._directory is None:
            return None
        sheet = self._rested() or self._another(self._directory)
        sheet.fill(keys)
        return sheet

    def give_back(self, sheet: Sheet) -> None:
        """Empty *sheet*, for a later version."""
        sheet.empty()
        self._resting.append((self._now(), sheet))

    def forget(self, key: str) -> None:
        """Empty what dead processes left under *key*, the first of a version's counters."""
        if self._directory is not None:
            left = self._directory.glob(f"counter_*-{self._use_case}-*.db")
            for path in _dead(left, key):
                for kind in BYTES:
                    _empty_file(path.with_name(path.name.replace("counter", kind, 1)))

    def _rested(self) -> Sheet | None:
        if self._resting and self._now() - self._resting[0][0] > REST_SECONDS:
            return self._resting.popleft()[1]
        return None

    def _another(self, directory: Path) -> Sheet:
        name = f"{os.getpid()}-{self._use_case}-{self._made}"
        sheet = Sheet(directory, name)
        self._made += 1
        return sheet


def forget_gauges(directory: Path, pid: int) -> None:
    """Remove what a dead process says of now; what it counted stays, as counters do."""
    for path in directory.glob(f"gauge_live*_{pid}-*.db"):
        path.unlink(missing_ok=True)


def _dead(paths: Iterable[Path], key: str) -> Iterable[Path]:
    """Yield those of *paths* that a dead process wrote and that begin with *key*."""
    for path in paths:
        pid = int(path.name.removeprefix("counter_").partition("-")[0])
        if not psutil.pid_exists(pid) and key in _keys(path):
            yield path


def _keys(path: Path) -> set[str]:
    found = MmapedDict.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]
    return {key for key, *_ in found}


def _empty_file(path: Path) -> None:
    if path.exists():
        with path.open("r+b") as file:
            file.write(struct.pack("i", EMPTY))
