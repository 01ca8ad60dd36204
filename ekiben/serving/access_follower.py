"""Follows the API keys and the token issuer's keys, and reports what callers spend."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from ekiben.access.credentials import Credentials
from ekiben.access.database import KeyDatabase
from ekiben.access.jwks import KeySet
from ekiben.access.keys import Keyring, Pepper
from ekiben.access.quotas import DAY_SECONDS, Quotas
from ekiben.access.tokens import Terms, Tokens
from ekiben.errors import EkibenError

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""A revoked key is dead in every worker after this and one reading of the table."""
REPORT_SECONDS = 1.0
"""How soon rows that count against a quota are known to the other workers."""
IDLE_REPORT_SECONDS = 30.0
"""How soon all others are reported: last uses, and rows of callers without a quota."""


class Holder(Protocol):
    """Whoever needs the credentials as of now."""

    credentials: Credentials | None


class AccessFollower:
    """Two threads per worker; what is away stays as it was last known.

    The issuer's address has a thread of its own: slow as it may be, a key that is revoked
    is dead in time.
    """

    def __init__(
        self,
        open_database: Callable[[], KeyDatabase],
        pepper: Pepper,
        holder: Holder,
        quotas: Quotas,
        *,
        tokens: tuple[Terms, KeySet] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._open = open_database
        self._pepper = pepper
        self._holder = holder
        self._quotas = quotas
        self._tokens = tokens
        self._clock = clock
        self._database: KeyDatabase | None = None
        self._version = -1
        self._keyring: Keyring | None = None
        self._publishing = threading.Lock()
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._away = False
        self._reported = float("-inf")

    def start(self) -> None:
        """Follow until the process ends."""
        looks = (
            [self.look] if self._tokens is None else [self.look, self.look_at_tokens]
        )
        for look in looks:
            threading.Thread(
                target=self._watch, args=(look,), name="access", daemon=True
            ).start()

    def stop(self) -> None:
        """End following."""
        self._stopped.set()

    def look(self, now: float) -> None:
        """Look at the keys once, and report; *now* is in seconds of a steady clock."""
        try:
            self._look_at_keys()
            self._report(now)
        except EkibenError as error:
            if not self._away:
                log.warning("keys not followed", extra={"reason": str(error)})
            self._away = True
        else:
            self._away = False

    def look_at_tokens(self, now: float) -> None:
        """Look at the issuer's keys once."""
        if self._tokens is None:
            return
        wanted = self._wanted.is_set()
        if self._tokens[1].look(now, wanted=wanted):
            self._publish()
        self._wanted.clear()

    def _watch(self, look: Callable[[float], None]) -> None:
        while True:
            try:
                look(time.monotonic())
            except Exception:
                log.exception("following keys failed")
            if self._stopped.wait(POLL_SECONDS):
                return

    def _publish(self) -> None:
        """Hand out credentials that hold what is known now, and remember nothing else."""
        with self._publishing:
            if self._keyring is not None:
                self._holder.credentials = Credentials(self._keyring, self._verifier())

    def _look_at_keys(self) -> None:
        if self._database is None:
            self._database = self._open()
        version = self._database.version()
        if version == self._version:
            return
        keys = self._database.read_all()
        foreign = sum(key.pepper != self._pepper.mark for key in keys)
        if foreign:
            log.warning("keys made with another pepper", extra={"keys": foreign})
        # Read before the keys: one that came in between is read again.
        self._version = version
        self._keyring = Keyring(keys, self._pepper)
        self._publish()

    def _verifier(self) -> Tokens | None:
        if self._tokens is None:
            return None
        terms, known = self._tokens
        return Tokens(terms, known.keys, self._wanted.set)

    def _report(self, now: float) -> None:
        due = REPORT_SECONDS if self._quotas.pressing else IDLE_REPORT_SECONDS
        if self._database is None:
            return
        if now - self._reported >= due:
            self._reported = now
            self._spend(self._database)
        elif self._quotas.limited:
            self._settle(self._database)

    def _spend(self, database: KeyDatabase) -> None:
        spent = self._quotas.report()
        try:
            database.spend(spent)
        except BaseException:
            self._quotas.restore()
            raise
        self._settle(database)

    def _settle(self, database: KeyDatabase) -> None:
        day = int(self._clock() // DAY_SECONDS)
        self._quotas.settle(day, database.spent_on(day))
