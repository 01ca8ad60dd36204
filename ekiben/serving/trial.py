"""When is a new version at fault: what live requests met, and the verdicts on it. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from statistics import median
from typing import Literal, NamedTuple

from ekiben.schemas.base import Row
from ekiben.settings import Settings

RECENT_SECONDS = 10.0
RECENT_REQUESTS = 20
"""A verdict is on the requests of so long, or on the last so many where fewer came: one
on all that ever came would need minutes to turn."""
LEAST_FAILURES = 5
"""Fewer may be an accident."""
LEAST_CALLS = 3
SLOW_SECONDS = 0.05
"""What a call may take longer than with the version before, by whatever factor."""
KEPT_FAILURES = 20
"""Failed requests that wait to be put to the version before; there may be thousands."""

Kind = Literal["failing", "slow", "wrong_answers"]
Rows = Sequence[Row]


@dataclass(frozen=True)
class Allowed:
    """What a new version may do: see the settings EKIBEN_WATCH_*."""

    seconds: float
    error_share: float
    slowdown: float

    @classmethod
    def by(cls, settings: Settings) -> "Allowed":
        """Return what the *settings* say."""
        return cls(
            settings.watch_seconds, settings.watch_error_share, settings.watch_slowdown
        )


@dataclass(frozen=True)
class Fault:
    """Why a version has to go; *reason* holds the numbers."""

    kind: Kind
    reason: str


class Count(NamedTuple):
    """Requests, those that failed, and what the version before made of some of these."""

    requests: int = 0
    failed: int = 0
    asked: int = 0
    answered: int = 0

    def since(self, earlier: "Count") -> "Count":
        """Return what came after *earlier*."""
        return Count(*(now - then for now, then in zip(self, earlier, strict=True)))


@dataclass
class Outcomes:
    """What one version's calls met. One thread adds while another one reads.

    `failures` are rows that nobody has put to the version before yet; `calls` are the
    seconds of the newest calls, and the rows of those that were slow.
    """

    failures: deque[Rows] = field(default_factory=lambda: deque(maxlen=KEPT_FAILURES))
    calls: deque[tuple[Rows, float]] = field(
        default_factory=lambda: deque(maxlen=LEAST_CALLS)
    )
    _requests: int = 0
    _failed: int = 0
    _asked: int = 0
    _answered: int = 0
    _past: deque[tuple[float, Count]] = field(
        default_factory=lambda: deque([(-inf, Count())])
    )

    def called(self, requests: int, seconds: float, rows: Rows = ()) -> None:
        """Take in a call that answered *requests* requests."""
        self._requests += requests
        self.calls.append((rows, seconds))

    def failed(self, requests: int, failures: Sequence[Rows]) -> None:
        """Take in a call of *requests* requests of which the *failures* got no answer."""
        self._requests += requests
        self._failed += len(failures)
        self.failures.extend(failures)

    def replayed(self, answered: bool) -> None:
        """Take in whether the version before has an answer where this one had none."""
        self._asked += 1
        self._answered += answered

    def recent(self, now: float) -> Count:
        """Return the counts since RECENT_SECONDS and RECENT_REQUESTS ago."""
        count = Count(self._requests, self._failed, self._asked, self._answered)
        past = self._past
        if past[-1][1] != count:
            past.append((now, count))
        while (
            len(past) > 1
            and past[1][0] <= now - RECENT_SECONDS
            and past[1][1].requests <= count.requests - RECENT_REQUESTS
        ):
            past.popleft()
        return count.since(past[0][1])


def failing(count: Count, before: str, allowed: Allowed) -> Fault | None:
    """Judge failures: guilty are those that the version *before* answers.

    A request that fails with either version is the request's own fault.
    """
    if count.answered < LEAST_FAILURES or not count.requests:
        return None
    guilty = count.failed * count.answered / count.asked
    share = guilty / count.requests
    if share < allowed.error_share:
        return None
    return Fault(
        "failing",
        f"{count.failed} of the last {count.requests} requests failed; "
        f"{before} answers {count.answered} of {count.asked} of these; "
        f"the share of failures is {share:.3g}, it may be {allowed.error_share:.3g}",
    )


def suspicious(calls: Sequence[tuple[Rows, float]], expected: float) -> bool:
    """Whether *calls* take so long that they are worth a comparison; *expected* seconds."""
    if len(calls) < LEAST_CALLS:
        return False
    return median(seconds for _, seconds in calls) > SLOW_SECONDS + expected


def slow(
    rows: int, seconds: float, before: str, baseline: float, allowed: Allowed
) -> Fault | None:
    """Judge what the same *rows* took now, and with the version *before*: *baseline*."""
    if seconds < baseline * allowed.slowdown or seconds < baseline + SLOW_SECONDS:
        return None
    return Fault(
        "slow",
        f"a call of {rows} rows takes {seconds * 1000:.3g} ms; "
        f"with {before} it takes {baseline * 1000:.3g} ms, "
        f"and may take {allowed.slowdown:g} times as long",
    )
