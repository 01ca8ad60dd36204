"""Watches new versions in live traffic, and goes back to the version before when one is at fault."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import get_args

from ekiben.errors import NothingToRollBack
from ekiben.schemas.base import Row
from ekiben.serving import metrics
from ekiben.serving.batch import Outcome
from ekiben.serving.follower import Releases
from ekiben.serving.going_back import Return, before
from ekiben.serving.jobs import Piece
from ekiben.serving.roster import Choice, Loaded, Roster
from ekiben.serving.trial import (
    SLOW_SECONDS,
    Allowed,
    Fault,
    Kind,
    Outcomes,
    failing,
    slow,
    suspicious,
)

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
GOLDEN_ON_TRIAL = 2.0
GOLDEN_AFTERWARDS = 60.0
"""Seconds between two checks of the golden rows."""
PATIENCE = 5.0
"""Seconds until a comparison of two versions is made again."""
ROUNDS = 3
MOST_ROWS = 64
"""What a comparison of two versions asks them, how often."""


@dataclass
class _Stand:
    """What is known of the version that answers one use case."""

    choice: Choice
    loaded: Loaded
    until: float
    golden_at: float
    compare_at: float = 0.0
    judge_at: float = 0.0
    outcomes: Outcomes = field(default_factory=Outcomes)


class Watch:
    """One thread per worker. `observe` is called by the dispatchers, from any thread."""

    def __init__(
        self,
        roster: Roster,
        releases: Releases,
        allowed: Allowed,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roster = roster
        self._releases = releases
        self._allowed = allowed
        self._now = now
        self._stands: dict[str, _Stand] = {}
        self._on_trial: dict[str, _Stand] = {}
        self._stopped = threading.Event()
        self._return = Return(roster, releases, self._stopped)
        for name in roster.use_cases:
            # A count that begins at 1 would be no increase to Prometheus.
            for kind in get_args(Kind):
                metrics.automatic_rollbacks.labels(name, kind)

    def start(self) -> None:
        """Watch until `stop`, unless the settings say not to."""
        if self._allowed.seconds > 0:
            threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def stop(self) -> None:
        """End watching."""
        self._stopped.set()

    def observe(
        self,
        use_case: str,
        tag: str,
        pieces: Sequence[Piece],
        outcomes: Sequence[Outcome],
        seconds: float,
    ) -> None:
        """Take in what came of one model call; counts only for a version on trial."""
        stand = self._on_trial.get(use_case)
        if stand is None or stand.loaded.tag != tag:
            return
        failures = [
            piece.rows
            for piece, outcome in zip(pieces, outcomes, strict=True)
            if isinstance(outcome, Exception)
        ]
        if failures:
            stand.outcomes.failed(len(pieces), failures)
        elif seconds < SLOW_SECONDS:
            stand.outcomes.called(len(pieces), seconds)
        else:
            rows = list(chain.from_iterable(piece.rows for piece in pieces))[:MOST_ROWS]
            stand.outcomes.called(len(pieces), seconds, rows)

    def look(self) -> None:
        """Judge every version that answers, once."""
        for use_case in self._roster.use_cases:
            stand = self._stand(use_case)
            if stand is not None and self._now() >= stand.judge_at:
                fault = self._fault(use_case, stand)
                if fault is not None:
                    self._go_back(use_case, stand, fault)

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception:
                log.exception("watching failed")

    def _stand(self, use_case: str) -> _Stand | None:
        """Return what is known of the version that answers; a new one starts a trial."""
        standing = self._roster.standing(use_case)
        if standing is None:
            return None
        choice, loaded = standing
        now = self._now()
        stand = self._stands.get(use_case)
        if stand is None or stand.choice is not choice:
            until = now + self._allowed.seconds if choice.on_trial else now
            stand = _Stand(choice, loaded, until, golden_at=now)
            self._stands[use_case] = stand
        if now < stand.until and before(choice):
            self._on_trial[use_case] = stand
        else:
            self._on_trial.pop(use_case, None)
        return stand

    def _fault(self, use_case: str, stand: _Stand) -> Fault | None:
        found = None
        if use_case in self._on_trial:
            found = self._failing(use_case, stand) or self._slow(use_case, stand)
        if found is None and self._now() >= stand.golden_at:
            on_trial = use_case in self._on_trial
            wait = GOLDEN_ON_TRIAL if on_trial else GOLDEN_AFTERWARDS
            stand.golden_at = self._now() + wait
            found = _wrong(stand.loaded)
        return found

    def _failing(self, use_case: str, stand: _Stand) -> Fault | None:
        """Put failed requests to the version before, and judge."""
        outcomes = stand.outcomes
        if outcomes.failures:
            former = self._return.loaded(use_case, stand.choice)
            while former is not None and outcomes.failures:
                outcomes.replayed(_answers(former, outcomes.failures.popleft()))
        count = outcomes.recent(self._now())
        return failing(count, _before_tag(stand.choice), self._allowed)

    def _slow(self, use_case: str, stand: _Stand) -> Fault | None:
        """Compare the two versions on the rows of a call that took long, and judge."""
        calls = list(stand.outcomes.calls)
        if self._now() < stand.compare_at or not suspicious(calls, 0.0):
            return None
        former = self._return.loaded(use_case, stand.choice)
        rows, _ = max(calls, key=lambda call: call[1])
        if former is None or not suspicious(calls, former.cost.expected(len(rows))):
            return None
        stand.compare_at = self._now() + PATIENCE
        if not (_answers(former, rows) and _answers(stand.loaded, rows)):
            return None
        now, then = _fastest(stand.loaded, rows), _fastest(former, rows)
        return slow(len(rows), now, former.tag, then, self._allowed)

    def _go_back(self, use_case: str, stand: _Stand, fault: Fault) -> None:
        facts = {"tag": stand.loaded.tag, "reason": fault.reason}
        try:
            gone = self._return.go_back(use_case, stand.choice, fault.reason)
        except NothingToRollBack:
            stand.judge_at = self._now() + GOLDEN_AFTERWARDS
            log.error("version at fault, and none to go back to", extra=facts)
            return
        if gone:
            metrics.automatic_rollbacks.labels(use_case, fault.kind).inc()
            log.error("version taken back", extra=facts)


def _before_tag(choice: Choice) -> str:
    return choice.previous or ""


def _wrong(loaded: Loaded) -> Fault | None:
    """Judge the golden rows, twice: once may be an accident."""
    if loaded.golden_fault() is None:
        return None
    reason = loaded.golden_fault()
    return Fault("wrong_answers", f"{reason}, twice in a row") if reason else None


def _answers(loaded: Loaded, rows: Sequence[Row]) -> bool:
    try:
        return len(loaded.predict(rows)) == len(rows)
    except Exception:
        return False


def _fastest(loaded: Loaded, rows: Sequence[Row]) -> float:
    """Return the seconds of the fastest of some calls: what others do only adds to it."""
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        loaded.predict(rows)
        taken.append(time.perf_counter() - start)
    return min(taken)
