"""Lets a request in: who asks, whether they may, and whether they do it too often."""

import logging
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from ekiben.access.caller import ANONYMOUS, Caller, Grant
from ekiben.access.credentials import Credentials
from ekiben.access.quotas import DAY_SECONDS, Quotas
from ekiben.access.rates import Rate, Rates
from ekiben.errors import (
    Forbidden,
    KeysUnread,
    QuotaExceeded,
    RateLimited,
)
from ekiben.serving import metrics
from ekiben.serving.edge import Headers, Scope
from ekiben.serving.needs import TO_PREDICT, Need, Routes
from ekiben.settings import Settings

log = logging.getLogger(__name__)

IN_QUERY = re.compile(rb"ekb_|(^|&)(access_token|api_?key|key|token)=", re.IGNORECASE)
"""A credential where logs, caches and browsers keep it."""


class AccessChecks(Protocol):
    """Whether a request may go on; who asks is in its state afterwards, see `caller_of`."""

    @property
    def ready(self) -> bool:
        """Whether it can let anybody in."""

    def admit_predict(self, scope: Scope, headers: Headers, use_case: str) -> None:
        """Let a prediction in.

        Raises:
            Unauthenticated, Forbidden, RateLimited, KeysUnread: it is not let in.
        """

    def admit_other(self, scope: Scope, headers: Headers) -> None:
        """Let another request in; where no route is, everybody may learn that.

        Raises:
            Unauthenticated, Forbidden, RateLimited, KeysUnread: it is not let in.
        """


def caller_of(scope: Scope) -> Caller:
    """Return who was let in."""
    caller: Caller = scope["state"]["caller"]
    return caller


def charge_rows(scope: Scope, rows: int) -> None:
    """Count *rows* that are about to be predicted against the caller's day.

    Raises:
        QuotaExceeded: they are more than what is left.
    """
    charge = scope["state"].get("charge")
    if charge is not None:
        charge(rows)


class OpenDoor:
    """Everybody is let in, as nobody."""

    ready = True

    def admit_predict(self, scope: Scope, headers: Headers, use_case: str) -> None:
        """Let it in."""
        scope.setdefault("state", {})["caller"] = ANONYMOUS

    def admit_other(self, scope: Scope, headers: Headers) -> None:
        """Let it in."""
        scope.setdefault("state", {})["caller"] = ANONYMOUS


class Doorkeeper:
    """Asks for keys and tokens; `credentials` is replaced from another thread."""

    def __init__(
        self,
        routes: Routes,
        quotas: Quotas,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.credentials: Credentials | None = None
        self._routes = routes
        self._quotas = quotas
        self._rate = Rate.parse(settings.rate_limit) if settings.rate_limit else None
        self._quota = settings.rows_per_day
        self._rates = Rates()
        self._told: dict[str, int] = {}
        self._clock = clock
        self._steady = steady

    @property
    def ready(self) -> bool:
        """Whether the keys have been read."""
        return self.credentials is not None

    def admit_predict(self, scope: Scope, headers: Headers, use_case: str) -> None:
        """Let a prediction in by a key or token for *use_case*."""
        grant = self._admit(scope, headers, TO_PREDICT, use_case)
        scope["state"]["charge"] = partial(self._charge, grant, use_case)

    def admit_other(self, scope: Scope, headers: Headers) -> None:
        """Let a request in to a route that is open, or whose scope it has."""
        found = self._routes.find(scope)
        if found is None or not found[0].scopes:
            scope.setdefault("state", {})["caller"] = ANONYMOUS
            return
        grant = self._admit(scope, headers, *found)
        # No rows, but its last use.
        self._quotas.charge(grant.caller.id, 0, None, self._clock())

    def _admit(
        self, scope: Scope, headers: Headers, need: Need, use_case: str | None
    ) -> Grant:
        credentials = self.credentials
        if credentials is None:
            raise KeysUnread
        query = scope.get("query_string")
        given = headers.get(b"authorization")
        if query and IN_QUERY.search(query):
            given = None
        grant = credentials.verify(given, self._clock())
        caller = grant.caller
        rate = grant.rate or self._rate
        if rate is not None:
            self._take(caller, rate)
        if need.scopes.isdisjoint(caller.scopes) or not caller.may_use(use_case):
            raise Forbidden
        scope.setdefault("state", {})["caller"] = caller
        return grant

    def _take(self, caller: Caller, rate: Rate) -> None:
        try:
            self._rates.take(caller.id, rate, self._steady())
        except RateLimited:
            metrics.rate_refusals.inc()
            raise

    def _charge(self, grant: Grant, use_case: str, rows: int) -> None:
        quota = grant.rows_per_day or self._quota
        now = self._clock()
        try:
            self._quotas.charge(grant.caller.id, rows, quota, now)
        except QuotaExceeded:
            metrics.quota_refusals.labels(use_case).inc()
            self._tell_once(grant.caller.id, int(now // DAY_SECONDS))
            raise

    def _tell_once(self, caller: str, day: int) -> None:
        """Log it once per caller and day: one who goes on asking shall not fill the disk."""
        if self._told.get(caller) != day:
            self._told[caller] = day
            log.warning("daily rows used up", extra={"caller": caller})
