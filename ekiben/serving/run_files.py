"""The files by which the processes of one server, and `ekiben drain`, know of each other.

Each server has a directory of its own below the run directory, named after its
supervisor's process id:

    server.json    who and where it is, written last
    drain          there while the server is draining; its time says since when
    served         there once every worker has been ready
    worker-PID     one per worker: its state; touched while its event loop moves
    refresh        locked by the worker that refreshes gauges
    metrics/       what prometheus_client shares between the workers
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from ekiben.errors import RunDirectoryUnusable

SERVER_VARIABLE = "_EKIBEN_SERVER"
"""Tells a worker which directory is its server's. No setting: only the supervisor sets it."""
WORKER = "worker-"
READY = "ready"
WAITING = "loading"
STANDBY = "standby"
"""It loads its models and accepts no connection yet: others answer."""


@dataclass(frozen=True)
class Facts:
    """What is written down of a running server; `started` is the process's, in seconds."""

    pid: int
    started: float
    host: str
    port: int
    workers: int


@dataclass(frozen=True)
class ServerFiles:
    """The directory of one server."""

    path: Path

    @classmethod
    def create(cls, run_directory: Path) -> "ServerFiles":
        """Make the directory of this process's server; what dead servers left goes.

        Raises:
            RunDirectoryUnusable: it cannot be written, or belongs to somebody else.
        """
        made = cls(run_directory / str(os.getpid()))
        try:
            run_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_owner(run_directory)
            for path in run_directory.iterdir():
                if path.name.isdigit() and _facts(path) is None:
                    _sweep(path)
            shutil.rmtree(made.path, ignore_errors=True)
            made.metrics.mkdir(parents=True)
        except OSError as error:
            raise RunDirectoryUnusable(run_directory, str(error.strerror)) from None
        return made

    @property
    def supervisor(self) -> int:
        """The process id of the server's first process, which looks after its workers."""
        return int(self.path.name)

    @property
    def metrics(self) -> Path:
        """Where prometheus_client keeps what the workers count."""
        return self.path / "metrics"

    @property
    def facts(self) -> Facts | None:
        """What the server says of itself; None when it has ended or not begun."""
        return _facts(self.path)

    def announce(self, facts: Facts) -> None:
        """Write down that the server runs."""
        part = self.path / "server.json.part"
        part.write_text(json.dumps(asdict(facts)))
        part.rename(self.path / "server.json")

    def remove(self) -> None:
        """Forget the server; it has ended."""
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def draining_for(self) -> float | None:
        """Seconds since the server was told to drain; None when it was not."""
        try:
            return max(time.time() - (self.path / "drain").stat().st_mtime, 0.0)
        except OSError:
            return None

    def drain(self) -> None:
        """Tell every worker of the server, now and to come, that it is draining."""
        (self.path / "drain").touch(exist_ok=True)

    def undrain(self) -> None:
        """Tell them that it no longer is."""
        (self.path / "drain").unlink(missing_ok=True)

    @property
    def served(self) -> bool:
        """Whether every worker has been ready once."""
        return (self.path / "served").exists()

    def worker(self, pid: int) -> Path:
        """Return the file of the worker *pid*."""
        return self.path / f"{WORKER}{pid}"

    def beat(self, pid: int, state: str) -> None:
        """Say that the worker *pid* moves, and its state.

        The state is written in place, so that a full disk takes nothing away.
        """
        path = self.worker(pid)
        mode = "r+" if path.exists() else "w"
        with path.open(mode) as file:
            file.write(f"{state:<8}")
        os.utime(path)

    def states(self) -> Mapping[int, str]:
        """Return the state of each worker that has begun."""
        return dict(self._states())

    def _states(self) -> Iterator[tuple[int, str]]:
        for path in self.path.glob(f"{WORKER}*"):
            with suppress(OSError):
                yield int(path.name.removeprefix(WORKER)), path.read_text().strip()

    def all_ready(self) -> bool:
        """Whether the server has served, and no worker that accepts connections waits.

        A worker that died, and the one that takes its place until it is ready, accept
        none: the others answer.
        """
        states = [state for state in self.states().values() if state != STANDBY]
        if not states or any(state != READY for state in states):
            return False
        if not self.served:
            facts = self.facts
            if facts is None or len(states) < facts.workers:
                return False
            with suppress(OSError):
                (self.path / "served").touch()
        return True


def run_directory(given: Path | None) -> Path:
    """Return where the servers of this user keep their files."""
    if given is not None:
        return given
    return Path(tempfile.gettempdir()) / f"ekiben-{os.getuid()}"


def running_servers(directory: Path) -> list[ServerFiles]:
    """Return the servers that run, oldest first."""
    if not directory.is_dir():
        return []
    found = [(_facts(path), path) for path in directory.iterdir()]
    alive = [(facts.started, path) for facts, path in found if facts]
    return [ServerFiles(path) for _, path in sorted(alive)]


def started_at(pid: int) -> float | None:
    """Return when the process began, in seconds since the epoch; None if it is gone."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.Error:
        return None


def _facts(path: Path) -> Facts | None:
    """Return what the server at *path* wrote, if that very process still runs."""
    try:
        facts = Facts(**json.loads((path / "server.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    began = started_at(facts.pid)
    # A process id is used again; when a process began tells the two apart.
    return facts if began is not None and abs(began - facts.started) < 2 else None


def _sweep(path: Path) -> None:
    """Remove what a dead server left; one that is just starting has no facts yet."""
    if started_at(int(path.name)) is None or (path / "server.json").exists():
        shutil.rmtree(path, ignore_errors=True)


def _check_owner(directory: Path) -> None:
    found = directory.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(0, "others may write there")
