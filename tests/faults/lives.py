"""What the tests of the life cycle share: a home with flowers only, and how a server is seen to be gone."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from ekiben.serving.run_files import (
    READY,
    SERVER_VARIABLE,
    ServerFiles,
    run_directory,
)
from tests.servers import PATIENCE, Server

# Drift is measured by a process of its own, which these tests would take for a worker.
FLOWERS = {"EKIBEN_MODELS": "iris", "EKIBEN_DRIFT_SECONDS": "0"}
TWO_WORKERS = FLOWERS | {"BENTOML_CONFIG_OPTIONS": "services.ekiben.workers=2"}


def files_of(server: Server) -> ServerFiles:
    """Return the run files of *server*."""
    return ServerFiles(run_directory(None) / str(server.process.pid))


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait until *condition* holds, PATIENCE at least; return how long it took."""
    began, limit = time.monotonic(), max(seconds, PATIENCE)
    while not condition():
        assert time.monotonic() - began < limit, f"not within {limit} s"
        time.sleep(0.05)
    return time.monotonic() - began


def ready_workers(server: Server) -> set[int]:
    """Return the workers that have their models."""
    states = files_of(server).states().items()
    return {pid for pid, state in states if state == READY}


def processes(server: Server) -> list[int]:
    """Return what lives of the server: supervisor, workers, and what they started."""
    ours = str(files_of(server).path)
    found = [server.process.pid] if server.process.poll() is None else []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(SERVER_VARIABLE) == ours:
                found.append(process.pid)
    return found


def kill_all(server: Server) -> None:
    """Kill the supervisor and its workers, each in a session of its own, and wait for their end."""
    server.process.kill()
    server.process.wait()
    for one in processes(server):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    until(lambda: processes(server) == [], 30)


def assert_gone(server: Server) -> None:
    """Assert that no process, no listener and no run file is left of *server*."""
    assert processes(server) == []
    assert not files_of(server).path.exists()
    with socket.socket() as door:
        # What was closed may linger; nobody listens.
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(("127.0.0.1", int(server.url.rpartition(":")[2])))


def output(server: Server) -> str:
    return Path(server.output).read_text()
