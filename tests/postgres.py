"""Starts Debian's PostgreSQL on a free port, in a directory of its own, not as root."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.servers import free_port

SYSTEM_USER = "postgres"
START_SECONDS = 30.0


def find_programs() -> Path | None:
    """Return the directory of the newest installed PostgreSQL's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


@dataclass
class Postgres:
    """A server with one empty database per call of `new_database`."""

    programs: Path
    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    databases: int = 0

    def new_database(self) -> str:
        """Make a database and return its URL."""
        self.databases += 1
        name = f"ledger{self.databases}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), name)
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://{SYSTEM_USER}@127.0.0.1:{self.port}/{database}"

    def make(self) -> None:
        """Lay out the data directory."""
        shutil.chown(self.directory, *_owner())
        options = ["--auth=trust", f"--username={SYSTEM_USER}", "--no-sync"]
        self._run("initdb", *options, "--pgdata", str(self.directory / "data"))

    def start(self) -> None:
        """Start the server and wait until it answers."""
        arguments = ["-D", str(self.directory / "data"), "-p", str(self.port)]
        quiet = ["-F", "-k", str(self.directory), "-h", "127.0.0.1"]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_as_owner(), str(self.programs / "postgres"), *arguments, *quiet],
                cwd=self.directory,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError((self.directory / "log").read_text()[-2000:])
            time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT ends its clients, SIGQUIT is `-m immediate`."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def move(self) -> None:
        """Fail over: another server with the same data comes on the same port."""
        self.stop(signal.SIGQUIT)
        data, other = self.directory / "data", self.directory / "other"
        subprocess.run(["cp", "-a", str(data), str(other)], check=True)
        shutil.rmtree(data)
        other.rename(data)
        self.start()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop every process of the server: it holds its connections and says nothing."""
        assert self.process is not None
        found = psutil.Process(self.process.pid)
        everyone = [found, *found.children(recursive=True)]
        for one in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.suspend()
        try:
            yield
        finally:
            for one in everyone:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.resume()

    def _answers(self) -> bool:
        ready = str(self.programs / "pg_isready")
        done = subprocess.run(
            [ready, "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        )
        return done.returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        user = [] if program == "initdb" else ["-U", SYSTEM_USER]
        done = subprocess.run(
            [*_as_owner(), str(self.programs / program), *user, *arguments],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def postgres(programs: Path) -> Iterator[Postgres]:
    """Run a server until the block ends."""
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as directory:
        server = Postgres(programs, Path(directory), free_port())
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)


def programs_or_skip() -> Path:
    """Return the programs' directory; without it a test skips, but never in CI."""
    programs = find_programs()
    if programs is None:
        reason = "PostgreSQL is not installed: apt-get install postgresql"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return programs


def _as_owner() -> list[str]:
    if os.geteuid() != 0:
        return []
    return [
        "setpriv",
        f"--reuid={SYSTEM_USER}",
        "--regid",
        SYSTEM_USER,
        "--init-groups",
    ]


def _owner() -> tuple[str | int, str | int]:
    if os.geteuid() != 0:
        return os.getuid(), os.getgid()
    return SYSTEM_USER, SYSTEM_USER
