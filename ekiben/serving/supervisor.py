"""Keeps a server's workers alive, ends what cannot live, and stops within its time.

BentoML starts workers through circus, which notices a death after 10 s or (in a container)
never replaces it, restarts for ever what cannot start, and waits a day for a worker to
stop. `supervise` puts `SupervisedWatcher` where BentoML looks for circus's own.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import circus.sighandler
import circus.sockets
import circus.watcher
from circus.exc import ConflictError
from circus.watcher import Watcher
from prometheus_client.multiprocess import mark_process_dead

from ekiben.serving.run_files import (
    READY,
    SERVER_VARIABLE,
    Facts,
    ServerFiles,
    run_directory,
    started_at,
)
from ekiben.serving.sheet import forget_gauges
from ekiben.settings import Settings

API_SOCKET = "_bento_api_server"
LOOK_SECONDS = 0.5
STOP_SECONDS = 20.0
"""After which a worker that was asked to stop is killed; it ends by itself before."""
HURRY_SECONDS = 4.0
"""The same when asked twice, or by somebody at a terminal."""
START_SECONDS = 120.0
"""That a worker may take to import and begin."""
MAX_DEATHS = 5
DEATHS_SECONDS = 60.0
"""More deaths in that time, and something is wrong that a new worker does not cure."""
CALM = (0, -signal.SIGTERM)
"""How a worker ends that was asked to: `--reload` does that."""


def supervise(settings: Settings) -> None:
    """Make the server that this process is about to start one that is looked after.

    Raises:
        RunDirectoryUnusable: its files cannot be kept.
    """
    supervisor = Supervisor(
        ServerFiles.create(run_directory(settings.run_dir)), settings.hang_seconds
    )

    class SupervisedWatcher(Watcher):
        """circus's watcher, told how this server wants its workers kept."""

        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named | supervisor.wishes(named.get("env")))

    circus.watcher.Watcher = SupervisedWatcher
    circus.sighandler.SysHandler.quit = lambda self: supervisor.quit(self.controller)
    circus.sockets.CircusSocket.bind_and_listen = bind_or_say_why


plain_bind = circus.sockets.CircusSocket.bind_and_listen


def bind_or_say_why(self: Any) -> None:
    """Bind the socket, or end the process with one line."""
    try:
        plain_bind(self)
    except OSError as error:
        raise SystemExit(
            f"ekiben: cannot listen on {self.location}: {error.strerror}"
        ) from None


@dataclass
class _Worker:
    """What is known of a worker process: when it began, and when it last moved."""

    spawned: float
    beat: int = 0
    moved: float = 0.0


@dataclass
class Supervisor:
    """One server's supervisor; everything runs on circus's event loop."""

    files: ServerFiles
    hang_seconds: float
    workers: dict[int, _Worker] = field(default_factory=dict)
    codes: dict[int, int] = field(default_factory=dict)
    deaths: list[float] = field(default_factory=list)
    failed_starts: int = 0
    asked: int = 0
    looked: float = 0.0
    failure: str | None = None
    _circus: dict[int, Any] = field(default_factory=dict)

    def wishes(self, env: dict[str, str] | None) -> dict[str, Any]:
        """Return what differs from what BentoML tells circus's watcher."""
        hooks = {
            "before_start": self.before_start,
            "after_spawn": self.after_spawn,
            "after_reap": self.after_reap,
            "after_stop": self.after_stop,
        }
        return {
            "graceful_timeout": STOP_SECONDS,
            "respawn": True,
            "hooks": {name: (hook, True) for name, hook in hooks.items()},
            "env": {
                **(env or {}),
                SERVER_VARIABLE: str(self.files.path),
                # BentoML's own is one for all servers of a home; each wipes the last one's.
                "PROMETHEUS_MULTIPROC_DIR": str(self.files.metrics),
            },
        }

    def before_start(self, watcher: Any, arbiter: Any, **_: Any) -> bool:
        """Write down where the server is, take over the signals, begin to look."""
        self.watcher, self.arbiter = watcher, arbiter
        socket = arbiter.sockets[API_SOCKET]
        began = started_at(os.getpid()) or time.time()
        facts = Facts(
            os.getpid(), began, socket.host, socket.port, watcher.numprocesses
        )
        self.files.announce(facts)
        if not self._circus:  # `--reload` starts the watcher again
            for number in (signal.SIGTERM, signal.SIGINT):
                self._circus[number] = signal.signal(number, self.on_signal)
            arbiter.loop.call_later(LOOK_SECONDS, self.look)
        return True

    def after_spawn(self, pid: int, **_: Any) -> bool:
        """Note the new worker."""
        self.workers[pid] = _Worker(time.monotonic())
        return True

    def after_reap(self, process_pid: int, exit_code: int, **_: Any) -> None:
        """Note how a worker ended; circus does not tell of each that did."""
        self.codes[process_pid] = exit_code

    def _bury(self) -> None:
        """Clear away after workers that are gone, and decide whether others may follow."""
        for pid in self.workers.keys() - self.watcher.processes.keys():
            state = self.files.states().get(pid)
            mark_process_dead(pid, str(self.files.metrics))  # type: ignore[no-untyped-call]
            forget_gauges(self.files.metrics, pid)
            self.files.worker(pid).unlink(missing_ok=True)
            del self.workers[pid]
            self._judge(state, self.codes.pop(pid, None))

    def _judge(self, state: str | None, code: int | None) -> None:
        """Count the death of a worker that was in *state*; None: it never began."""
        self.failed_starts = 0 if state == READY else self.failed_starts + 1
        hopeless = state is None and not self.files.served
        if hopeless or self.failed_starts >= MAX_DEATHS:
            self._give_up(f"a worker could not start (exit code {code})")
            return
        if code in CALM:
            return
        now = time.monotonic()
        self.deaths = [at for at in self.deaths if now - at < DEATHS_SECONDS] + [now]
        say(f"a worker died (exit code {code}); another takes its place")
        if len(self.deaths) > MAX_DEATHS:
            self._give_up(f"{len(self.deaths)} workers died within a minute")

    def _give_up(self, reason: str) -> None:
        self.failure = reason
        self.arbiter.loop.add_callback(self._quit)

    def quit(self, controller: Any) -> None:
        """Stop for a signal; circus itself would forget it while it starts workers."""
        self.arbiter, self.asked = controller.arbiter, max(self.asked, 1)
        self.arbiter.loop.add_callback_from_signal(self._quit)

    async def _quit(self) -> None:
        try:
            await self.arbiter.stop()
        except ConflictError:
            self.arbiter.loop.call_later(LOOK_SECONDS, self._quit)

    def after_stop(self, **_: Any) -> None:
        """Forget the server's files if it ends; end with what went wrong."""
        if self.asked or self.failure:
            self.files.remove()
        if self.failure:
            raise SystemExit(f"ekiben: {self.failure}")

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Pass on what circus makes of the signal, and hurry when asked twice."""
        self.asked += 1
        if number == signal.SIGINT or self.asked > 1:
            self._signal_all(signal.SIGINT)
            kill = signal.SIGKILL
            self.arbiter.loop.add_callback_from_signal(
                self.arbiter.loop.call_later, HURRY_SECONDS, self._signal_all, kill
            )
        if self.asked == 1:
            self._circus[number](number, frame)

    def _signal_all(self, number: int) -> None:
        for pid in list(self.workers):
            self._signal(pid, number)

    def _signal(self, pid: int, number: int) -> None:
        # Of a worker that is gone, the id may be another's by now.
        if pid in self.watcher.processes:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    async def look(self) -> None:
        """Replace workers that died, and kill those that hang; again and again."""
        if self.asked or self.failure:
            return
        now = time.monotonic()
        self._kill_hung(now, rested=now - self.looked > self.hang_seconds / 3)
        self.looked = now
        with suppress(ConflictError):  # circus is at it itself
            await self.arbiter.manage_watchers()
        self._bury()
        self.arbiter.loop.call_later(LOOK_SECONDS, self.look)

    def _kill_hung(self, now: float, *, rested: bool) -> None:
        """Kill workers without a beat; who has *rested* itself, judges nobody by it."""
        for pid, worker in list(self.workers.items()):
            beat = self._beat_of(pid)
            if beat != worker.beat or rested:
                worker.beat, worker.moved = beat, now
            limit = self.hang_seconds if beat else START_SECONDS
            if now - (worker.moved or worker.spawned) > limit:
                say(f"a worker has not moved for {limit:g} s; it is killed")
                self._signal(pid, signal.SIGKILL)

    def _beat_of(self, pid: int) -> int:
        try:
            return self.files.worker(pid).stat().st_mtime_ns
        except OSError:
            return 0


def say(line: str) -> None:
    """Tell the operator, on standard error: the supervisor has no log of its own."""
    sys.stderr.write(f"ekiben: {line}\n")
    sys.stderr.flush()
