"""Keeps one program running: starts it, starts it again when it ends, ends it when told to.

Run as a script with a directory, which holds what the program is and what became of it:

    program.json   arguments, and how it is asked to end
    keeper         locked while a keeper runs; its process id
    ends           a line for each end that nobody asked for: the exit code
    log            what the program printed; what is over LOG_BYTES goes to log.1

It is a process of its own beside each replica and each balancer, as small as Python can
be, so it imports nothing of Ekiben. A keeper that is killed leaves its program running;
the next one finds it by the mark in its environment, and keeps it on.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

MARK = "_EKIBEN_KEPT"
"""In the environment of the program and all that it starts: the keeper's directory."""
LOOK_SECONDS = 0.2
LONGEST_REST = 30.0
"""Between two starts of a program that ends again and again."""
CALM_SECONDS = 60.0
"""A program that ran for so long starts again at once."""
KIN_SECONDS = 5.0
"""That processes may outlive the program which started them."""
LOG_BYTES = 64 * 1024 * 1024


def kin(directory: Path) -> list[psutil.Process]:
    """Return the program of *directory* and all that it started, oldest first."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            # Before its exec, a child of the keeper still is the keeper.
            if process.environ().get(MARK) == str(directory):
                found.append((process.create_time(), process))
    return [process for _, process in sorted(found, key=lambda one: one[0])]


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended and was not fetched does not."""
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


class Keeper:
    """The loop; `asked` is when the program was told to end."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.program: dict[str, Any] = json.loads(
            (directory / "program.json").read_text()
        )
        self.asked: float | None = None
        self.told = False
        self.rest = 0.0

    def on_signal(self, _: int, __: FrameType | None) -> None:
        """Note that the program is to end."""
        self.asked = self.asked or time.monotonic()

    def run(self) -> None:
        """Keep the program until told to end it."""
        signal.signal(signal.SIGTERM, self.on_signal)
        for ignored in (signal.SIGINT, signal.SIGHUP):
            signal.signal(ignored, signal.SIG_IGN)
        running = kin(self.directory)
        program = running[0] if running else self.start()
        while True:
            began = time.monotonic()
            self.wait(program)
            self.clear_kin()
            if self.asked:
                return
            self.note_end(program)
            self.pause(time.monotonic() - began)
            if self.asked:
                return
            program = self.start()

    def start(self) -> Any:
        """Start the program; one that cannot be started is None, and counts as ended."""
        with (self.directory / "log").open("ab") as log:
            try:
                return subprocess.Popen(
                    self.program["command"],
                    cwd=self.directory,
                    env={**os.environ, MARK: str(self.directory)},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                log.write(f"ekiben: {error}\n".encode())
                return None

    def wait(self, program: Any) -> None:
        """Wait for the end of *program*, and bring it about when asked to."""
        while self._runs(program):
            if self.asked and not self.told:
                self.told = True
                with suppress(ProcessLookupError):
                    os.kill(program.pid, self.program["stop_signal"])
            over = self.asked and time.monotonic() - self.asked
            if over and over > self.program["stop_seconds"]:
                self.kill_kin()
            self.trim_log()
            time.sleep(LOOK_SECONDS)

    @staticmethod
    def _runs(program: Any) -> bool:
        if isinstance(program, subprocess.Popen):
            return program.poll() is None
        return program is not None and is_alive(program)

    def clear_kin(self) -> None:
        """Wait for what the program left: its workers hold its port a little longer."""
        until = time.monotonic() + KIN_SECONDS
        while kin(self.directory) and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        self.kill_kin()

    def kill_kin(self) -> None:
        """Kill the program and all that it started."""
        for process in kin(self.directory):
            with suppress(psutil.Error):
                process.kill()

    def note_end(self, program: Any) -> None:
        """Write down that the program ended by itself."""
        code = getattr(program, "returncode", None)
        with (self.directory / "ends").open("a") as ends:
            ends.write(f"{code}\n")

    def pause(self, lived: float) -> None:
        """Rest before the next start, longer each time; not after a long life."""
        if lived >= CALM_SECONDS:
            self.rest = 0.0
        until = time.monotonic() + self.rest
        while time.monotonic() < until and not self.asked:
            time.sleep(LOOK_SECONDS)
        self.rest = min(max(2 * self.rest, 1.0), LONGEST_REST)

    def trim_log(self) -> None:
        """Put a log that is too long aside; the program goes on writing into it."""
        log = self.directory / "log"
        with suppress(OSError):
            if log.stat().st_size > LOG_BYTES:
                shutil.copyfile(log, log.with_suffix(".1"))
                os.truncate(log, 0)


def main(directory: Path) -> None:
    """Leave a keeper of *directory* running; none, where one runs already."""
    lock = os.open(directory / "keeper", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _locked(lock):
        return
    pid = os.fork()
    if pid:
        # Before whoever waits for this process looks for the keeper.
        os.ftruncate(lock, 0)
        os.write(lock, f"{pid}\n".encode())
        os._exit(0)
    os.setsid()
    Keeper(directory).run()


def _locked(lock: int) -> bool:
    """Whether the lock could be had; who only asks whether it is held lets go at once."""
    for _ in range(20):
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.05)
    return False


if __name__ == "__main__":
    main(Path(sys.argv[1]))
