"""What is measured now and then beside the requests: jobs, and the one worker that does them.

To add a job, such as a set of gauges: give `Worker.refresher` one more `Job` where
`serving/plan.py` lists them. `run` takes nothing and returns nothing; it is called in the
thread that all jobs share, in one worker of a server, about every `seconds`. It should
read a bounded number of rows, open what it needs when it is called (the database may be
away at the start), and leave its results in gauges with
`multiprocess_mode="livemostrecent"`, so that those of a worker that did this before are
not shown. What it raises is logged, and it is asked again the next time.
"""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ekiben.errors import EkibenError

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""How soon another worker goes on when the one that refreshed is gone."""


@dataclass(frozen=True)
class Job:
    """Something to do about every `seconds`, counted from the end of the last time."""

    name: str
    run: Callable[[], None]
    seconds: float


class Lease:
    """Says which worker of a server refreshes: the one that holds the lock of a file.

    The kernel lets go of it when the process ends, however that happens.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._told = False

    def take(self) -> bool:
        """Take the lease unless another process has it; whether it is held now."""
        if self._file is not None:
            return True
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if not self._told:
                log.warning("nothing is refreshed", extra={"reason": error.strerror})
            self._told = True
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Let another have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Refresher:
    """One thread per worker, which works only where the *lease* is held; None: it is."""

    def __init__(
        self,
        jobs: Sequence[Job] = (),
        lease: Lease | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs = tuple(jobs)
        self._lease = lease
        self._clock = clock
        self._due = dict.fromkeys((job.name for job in self._jobs), float("-inf"))
        self._failing: set[str] = set()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Refresh until `stop`."""
        if self._jobs:
            threading.Thread(target=self._go_on, name="refresh", daemon=True).start()

    def stop(self) -> None:
        """End refreshing; a job that runs is left to end with the process."""
        self._stopped.set()

    def look(self) -> None:
        """Do once what is due, if this process is the one to do it."""
        if self._lease is not None and not self._lease.take():
            return
        for job in self._jobs:
            if self._clock() >= self._due[job.name] and not self._stopped.is_set():
                self._run(job)
                self._due[job.name] = self._clock() + job.seconds

    def _run(self, job: Job) -> None:
        try:
            job.run()
        except EkibenError as error:
            # Once: a database that is away for a night shall not fill the log.
            if job.name not in self._failing:
                log.warning(
                    "refresh failed", extra={"job": job.name, "reason": str(error)}
                )
            self._failing.add(job.name)
        except Exception:
            log.exception("refresh failed", extra={"job": job.name})
        else:
            self._failing.discard(job.name)

    def _go_on(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            self.look()
        if self._lease is not None:
            self._lease.release()
