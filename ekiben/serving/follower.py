"""Follows the releases: loads what becomes production in the background, and swaps at its time."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from ekiben.errors import EkibenError, ProbeStopped
from ekiben.serving import metrics
from ekiben.serving.roster import Choice, Roster

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05


class Releases(Protocol):
    """Where a worker reads what it should serve, and reports what it cannot."""

    def position(self) -> int:
        """Return a number that grows with every event; cheap.

        Raises:
            EkibenError: the releases cannot be read now.
        """

    def choose(self, use_case: str) -> Choice | None:
        """Return which version is production, or will be at its effective time."""

    def reject(self, use_case: str, tag: str, reason: str) -> None:
        """Record that *tag* is production and cannot be loaded."""

    def roll_back(self, use_case: str, choice: Choice, reason: str) -> None:
        """Record that *choice* was at fault in live traffic, and what answers instead.

        Raises:
            Conflict, NothingToRollBack: another was first; look what is chosen now.
            EkibenError: it cannot be recorded now.
        """


class Follower:
    """One thread per worker that watches, and one per version that is taken up.

    A version that is loaded already is swapped in at its effective time; another is
    first *probed* in a process of its own and then loaded. Only the newest choice
    of a use case is swapped in, however long an older one takes to load.
    """

    def __init__(
        self,
        roster: Roster,
        releases: Releases,
        probe: Callable[[str, Choice], str | None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._roster = roster
        self._releases = releases
        self._probe = probe
        self._now = now
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._wanted: dict[str, Choice] = {}
        self._seen = -1
        self.unreachable_since: datetime | None = None
        for name in roster.use_cases:
            # A count that begins at 1 would be no increase to Prometheus.
            for result in ("done", "rejected"):
                metrics.swaps.labels(name, result)
            metrics.swap_seconds.labels(name)

    def start(self) -> None:
        """Follow until `stop`; the versions of now must be loaded already."""
        threading.Thread(target=self._watch, name="follow", daemon=True).start()

    def stop(self) -> None:
        """End following; what is loading is left to end with the process."""
        self._stopped.set()

    def look(self) -> None:
        """Look once whether there is something new, and start taking it up."""
        try:
            position = self._releases.position()
            if position == self._seen:
                self.unreachable_since = None
                return
            choices = {
                name: self._releases.choose(name) for name in self._roster.use_cases
            }
        except EkibenError as error:
            if self.unreachable_since is None:
                self.unreachable_since = self._now()
                log.warning("releases unreachable", extra={"reason": str(error)})
            return
        self.unreachable_since = None
        self._seen = position
        for name, choice in choices.items():
            if choice is not None:
                self._want(name, choice)

    def _watch(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            try:
                self.look()
            except Exception:
                log.exception("following failed")

    def _want(self, name: str, choice: Choice) -> None:
        with self._lock:
            wanted = self._wanted.get(name)
            if wanted is not None and wanted.key == choice.key:
                return
            if wanted is None and self._roster.serves(name, choice):
                return
            self._wanted[name] = choice
        thread = threading.Thread(
            target=self._take_up,
            args=(name, choice),
            name=f"take-up-{name}",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError:  # there is none left to be had
            self._again(name, choice)

    def _take_up(self, name: str, choice: Choice) -> None:
        """Load *choice* unless it is warm, wait for its time, swap unless another came."""
        started = time.monotonic()
        reason = None
        if not self._roster.is_warm(name, choice):
            try:
                reason = self._load(name, choice)
            except ProbeStopped:
                self._again(name, choice)
                return
        if reason is not None:
            self._report(name, choice, reason)
            return
        self._stopped.wait(choice.delay(self._now()))
        with self._lock:
            if self._wanted.get(name) is not choice or self._stopped.is_set():
                return
            self._roster.swap(name, choice)
        seconds = time.monotonic() - started
        metrics.swaps.labels(name, "done").inc()
        metrics.swap_seconds.labels(name).observe(seconds)
        log.info(
            "version swapped in",
            extra={"tag": choice.tag, "seconds": round(seconds, 3)},
        )

    def _load(self, name: str, choice: Choice) -> str | None:
        try:
            return self._probe(name, choice) or self._roster.warm(name, choice)
        except ProbeStopped:
            raise
        except BlockingIOError:
            # This host has no process left: that says nothing of the version.
            raise ProbeStopped from None
        except Exception:
            log.exception("taking up failed", extra={"tag": choice.tag})
            return "it could not be loaded"

    def _again(self, name: str, choice: Choice) -> None:
        """Forget *choice*, so that the next look takes it up anew."""
        log.warning("trial stopped", extra={"tag": choice.tag})
        with self._lock:
            if self._wanted.get(name) is choice:
                del self._wanted[name]
        self._seen = -1

    def _report(self, name: str, choice: Choice, reason: str) -> None:
        metrics.swaps.labels(name, "rejected").inc()
        log.error("version rejected", extra={"tag": choice.tag, "reason": reason})
        try:
            self._releases.reject(name, choice.tag, reason)
        except EkibenError as error:
            # Another worker was first, or the ledger is away: the old one serves on.
            log.warning("rejection not recorded", extra={"reason": str(error)})
