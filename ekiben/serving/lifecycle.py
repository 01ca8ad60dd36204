"""A worker's life: when it is ready, how it drains, and that it ends within its time."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from ekiben.serving import metrics
from ekiben.serving.metric_files import reserve_grown_files
from ekiben.serving.run_files import (
    READY,
    SERVER_VARIABLE,
    STANDBY,
    WAITING,
    ServerFiles,
)
from ekiben.serving.worker import Worker

log = logging.getLogger(__name__)

BEAT_SECONDS = 0.5
IN_FLIGHT_SECONDS = 16.0
"""After a SIGTERM: until then requests in flight may finish."""
STOP_SECONDS = 18.0
"""After a SIGTERM: then the process ends, whatever hangs. The supervisor kills it later."""
QUICK_IN_FLIGHT_SECONDS = 1.0
QUICK_STOP_SECONDS = 3.0
"""The same two for somebody at a terminal who pressed Ctrl-C, or asked twice."""
FLUSH_SECONDS = 1.0


def always() -> bool:
    """Let everybody in."""
    return True


class LifeCycle:
    """The states of one worker process; all but `on_signal` are for the event loop.

    A process that no supervisor started (a test, a program that embeds the application)
    has no server files: it is ready when its models are, and leaves signals alone.
    """

    def __init__(self, worker: Worker, environ: Any = os.environ) -> None:
        self._worker = worker
        named = environ.get(SERVER_VARIABLE)
        self._files = ServerFiles(Path(named)) if named else None
        self._grace = worker.settings.drain_seconds
        self._hang = worker.settings.hang_seconds
        self._told: float | None = None
        self._quick = False
        self._standby = False
        self._leave: Callable[[int, FrameType | None], Any] | None = None
        self.refusing = False
        self.in_flight = 0
        self.admits: Callable[[], bool] = always
        """Whether anybody could be let in; the entrance says it."""

    @property
    def draining(self) -> bool:
        """Whether the server has been told to stop, or to let others have its work."""
        return self._told is not None or self._flagged is not None

    @property
    def hung(self) -> bool:
        """Whether a model call stands still."""
        return self._worker.threads.hung(self._hang)

    @property
    def ready(self) -> bool:
        """Whether every worker that accepts connections can answer every use case."""
        if not self._can_answer:
            return False
        return self._files is None or self._all_ready(self._files)

    @property
    def _can_answer(self) -> bool:
        return self._worker.roster.ready and self.admits()

    async def start(self) -> None:
        """Load the models, take over the signals, and let the server know this worker.

        A worker that takes the place of a dead one accepts no connection before it has
        loaded: those who answer already get them. The first ones accept at once, so
        that probes are answered while the models load.
        """
        if self._files is None:
            self._worker.start()
            return
        if os.getppid() != self._files.supervisor:
            # It died while this process was being made, and nobody reads what it counts.
            log.error("supervisor gone")
            os._exit(1)
        self._take_signals()
        self._standby = self._files.served
        self._beat(self._files)
        self._beating = asyncio.create_task(self._beat_on(self._files))
        threading.Thread(
            target=self._mourn,
            args=(self._files.supervisor,),
            name="supervisor",
            daemon=True,
        ).start()
        metrics.worker_starts.inc()
        self._worker.start()
        while self._standby:
            self._standby = self._may_wait(self._files)
            await asyncio.sleep(BEAT_SECONDS / 5)
        self._beat(self._files)

    def _may_wait(self, files: ServerFiles) -> bool:
        """Whether this worker may go on loading behind its closed door.

        While it loads for the first time it always may: the next connection waits for it
        rather than be refused. Later only while others answer.
        """
        if self._told is not None or self._worker.roster.ready:
            return False
        others = [one for pid, one in files.states().items() if pid != os.getpid()]
        return not self._worker.loaded or READY in others

    def end(self) -> None:
        """End what runs beside the requests; the server has answered its last one."""
        self._worker.stop()

    def _take_signals(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._hurried = asyncio.Event()
        # uvicorn's own handler, which closes the door at once: it comes last.
        found = signal.getsignal(signal.SIGTERM)
        self._leave = found if callable(found) else None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.on_signal)

    def on_signal(self, number: int, _: FrameType | None = None) -> None:
        """Begin to drain on the first SIGTERM; on SIGINT hurry. More SIGTERMs say nothing new.

        An init system that signals the whole group, and the supervisor that passes its
        own signal on, both send one: only the supervisor knows when it was asked twice.
        """
        first, self._told = self._told is None, self._told or time.monotonic()
        hurry = number == signal.SIGINT and not self._quick
        if hurry:
            self._quick = True
            self._end_in(QUICK_STOP_SECONDS)
        elif first:
            self._end_in(STOP_SECONDS)
        if first:
            self._worker.follower.stop()
            self._loop.call_soon_threadsafe(self._begin)
        if hurry:
            self._loop.call_soon_threadsafe(self._hurried.set)

    def _begin(self) -> None:
        log.info("draining", extra={"seconds": self._left_of_grace()})
        self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        """Serve on for the grace, refuse what is new, let the rest finish, leave."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurried.wait(), self._left_of_grace())
        self.refusing = True
        while self.in_flight and time.monotonic() < self._patience():
            await asyncio.sleep(0.02)
        log.info("drained", extra={"cut": self.in_flight})
        if self._leave is not None:
            self._leave(signal.SIGTERM, None)

    def _left_of_grace(self) -> float:
        """Return for how long to serve on; `ekiben drain` may have waited already."""
        if self._quick or not self._worker.roster.ready:
            return 0.0
        return max(self._grace - (self._flagged or 0.0), 0.0)

    def _patience(self) -> float:
        seconds = QUICK_IN_FLIGHT_SECONDS if self._quick else IN_FLIGHT_SECONDS
        return (self._told or 0.0) + seconds

    @property
    def _flagged(self) -> float | None:
        return self._files.draining_for if self._files else None

    def _end_in(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()

    def _end(self) -> None:
        """End the process: what is in flight now hangs. What is kept elsewhere is flushed first."""
        flush = threading.Thread(target=self._worker.stop, daemon=True)
        flush.start()
        flush.join(FLUSH_SECONDS)
        os._exit(0)

    def _mourn(self, supervisor: int) -> None:
        """Stop when the supervisor is gone: a worker without one keeps its port for ever."""
        while os.getppid() == supervisor:
            time.sleep(BEAT_SECONDS)
        log.error("supervisor gone")
        self.on_signal(signal.SIGINT)

    async def _beat_on(self, files: ServerFiles) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            if not self.hung:
                self._beat(files)

    def _beat(self, files: ServerFiles) -> None:
        ready = self._can_answer
        metrics.worker_ready.set(ready)
        metrics.draining.set(self.draining)
        away = self._worker.follower.unreachable_since is not None
        metrics.ledger_unreachable.set(away)
        self._worker.publish()
        try:
            files.beat(os.getpid(), self._state(ready))
            reserve_grown_files(files.metrics, os.getpid())
        except OSError as error:
            log.error("run files unwritable", extra={"reason": error.strerror})

    def _state(self, ready: bool) -> str:
        if self._standby:
            return STANDBY
        return READY if ready else WAITING

    def _all_ready(self, files: ServerFiles) -> bool:
        # What was written last may be half a second old; of itself a worker knows better.
        if files.states().get(os.getpid()) != READY:
            self._beat(files)
        return files.all_ready()
