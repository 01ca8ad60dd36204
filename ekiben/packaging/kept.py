"""Programs that a keeper keeps running: started, asked how they are, ended."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ekiben.errors import DeployFailed
from ekiben.packaging import keeper

EXTRA_SECONDS = 10.0
"""After the time that the program has to end; then all that is left is killed."""
START_SECONDS = 60.0


@dataclass(frozen=True)
class Program:
    """What is to run: its command, the signal that ends it, and in how many seconds."""

    command: Sequence[str]
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 25.0


@dataclass(frozen=True)
class Kept:
    """A directory in which a keeper runs a program."""

    directory: Path

    def start(self, program: Program, environ: Mapping[str, str]) -> None:
        """Run *program* in the directory from now on; one that runs already is kept.

        *environ* is its environment, and is written nowhere: it may hold secrets.

        Raises:
            DeployFailed: the keeper could not be started.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        facts = {
            "command": list(program.command),
            "stop_signal": int(program.stop_signal),
            "stop_seconds": program.stop_seconds,
        }
        (self.directory / "program.json").write_text(json.dumps(facts))
        if self.keeper_pid is None:
            (self.directory / "ends").unlink(missing_ok=True)
        if self._start_keeper(environ) != 0:
            raise DeployFailed(f"no keeper could be started: {self.last_words}")

    def _start_keeper(self, environ: Mapping[str, str]) -> int | None:
        """Return the exit code of what leaves a keeper running, None: it hangs."""
        with (self.directory / "log").open("ab") as log:
            try:
                return subprocess.run(
                    [sys.executable, "-P", keeper.__file__, str(self.directory)],
                    cwd="/",
                    env=dict(environ),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    timeout=START_SECONDS,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                return None

    @property
    def keeper_pid(self) -> int | None:
        """The keeper's process id; None when none runs."""
        try:
            with (self.directory / "keeper").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with suppress(OSError, ValueError):
                return int((self.directory / "keeper").read_text())
        except OSError:
            return None
        return None

    @property
    def pid(self) -> int | None:
        """The program's process id; None while it does not run."""
        found = keeper.kin(self.directory)
        return found[0].pid if found else None

    @property
    def ends(self) -> int:
        """How often it ended by itself since its keeper began."""
        try:
            return len((self.directory / "ends").read_text().splitlines())
        except FileNotFoundError:
            return 0

    @property
    def last_words(self) -> str:
        """The last line that it printed."""
        try:
            with (self.directory / "log").open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - 4096))
                lines = log.read().decode(errors="replace").split("\n")
        except OSError:
            return ""
        told = [line.strip() for line in lines if line.strip()]
        return told[-1][:300] if told else ""

    def ask_to_end(self) -> None:
        """Tell keeper and program to end, and return at once."""
        pid = self.keeper_pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            return
        asked = self._program().get("stop_signal", signal.SIGTERM)
        for process in keeper.kin(self.directory)[:1]:
            with suppress(psutil.Error):
                process.send_signal(asked)

    def wait_for_end(self) -> None:
        """Wait until nothing of it runs; kill what is left after its time."""
        seconds = self._program().get("stop_seconds", 0.0) + EXTRA_SECONDS
        until = time.monotonic() + seconds
        while self._running() and time.monotonic() < until:
            time.sleep(0.1)
        pid = self.keeper_pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in keeper.kin(self.directory):
            with suppress(psutil.Error):
                process.kill()

    def _running(self) -> bool:
        return self.keeper_pid is not None or bool(keeper.kin(self.directory))

    def _program(self) -> dict[str, float]:
        try:
            found: dict[str, float] = json.loads(
                (self.directory / "program.json").read_text()
            )
        except (OSError, ValueError):
            return {}
        return found
