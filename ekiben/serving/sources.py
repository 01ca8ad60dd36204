"""Where a worker reads what it should serve: the ledger, or the pins of a Bento."""

import logging
import socket
from collections.abc import Mapping
from datetime import UTC, datetime

from ekiben.errors import Conflict, CorruptLedger
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Event, Grounds, verify_chain
from ekiben.registry.ledger import Ledger
from ekiben.registry.local import LocalRollbacks
from ekiben.serving.roster import Choice

log = logging.getLogger(__name__)


class LedgerReleases:
    """The releases as the ledger at *url* has them; opened at first use, kept open."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._database: LedgerDatabase | None = None
        self._known: Ledger | None = None
        self._corrupt: tuple[int, CorruptLedger] | None = None

    def position(self) -> int:
        """Return the sequence of the newest event.

        Raises:
            LedgerUnavailable: the database cannot be reached.
        """
        return self._open().head_sequence()

    def choose(self, use_case: str) -> Choice | None:
        """Return which version is production, or will be at its effective time.

        Raises:
            LedgerUnavailable: the database cannot be reached.
            CorruptLedger: what came since the last look was not appended by Ekiben.
        """
        standing = self._ledger().line(use_case)
        before = _choice(standing[-2], None) if len(standing) > 1 else None
        return _choice(standing[-1], before) if standing else None

    def reject(self, use_case: str, tag: str, reason: str) -> None:
        """Record that *tag* is production and cannot be loaded here.

        Raises:
            Conflict: another server said so first, or production was moved since.
            LedgerUnavailable: the database cannot be reached.
        """
        grounds = Grounds(actor=f"server {socket.gethostname()}", reason=reason)

        def transition(found: Ledger) -> Ledger:
            production = found.production(use_case)
            seen = found.last(use_case)
            if not production or production.tag != tag or found.rejected(use_case):
                raise Conflict(use_case, seen, "another")
            return found.reject(use_case, grounds, seen=seen, at=datetime.now(UTC))

        self._open().append(use_case, transition)

    def _open(self) -> LedgerDatabase:
        if self._database is None:
            self._database = LedgerDatabase.open(self._url)
        return self._database

    def _ledger(self) -> Ledger:
        known = self._known
        if known is None:
            known = self._first()
        elif known.head.sequence != (position := self.position()):
            known = self._newer(known, position)
        self._known = known
        return known

    def _first(self) -> Ledger:
        """Return the ledger at the start, when there is nothing better to serve by."""
        ledger = self._open().ledger()
        try:
            verify_chain(ledger.events, ledger.head)
        except CorruptLedger as error:
            log.error("ledger corrupt; run ekiben verify", extra={"reason": str(error)})
        return ledger

    def _newer(self, known: Ledger, position: int) -> Ledger:
        """Return *known* and what came since; who wrote past the chain moves nothing.

        Raises:
            CorruptLedger: the new events do not follow from what is known.
        """
        if self._corrupt and self._corrupt[0] == position:
            raise self._corrupt[1]  # the follower asks four times a second
        events, head = self._open().news(known.head.sequence)
        try:
            verify_chain(events, head, known.head)
            return Ledger((*known.events, *events), head)
        except CorruptLedger:
            # A database restored or failed over may have lost events and be sound.
            return self._whole(position)

    def _whole(self, position: int) -> Ledger:
        try:
            return self._open().verified()
        except CorruptLedger as error:
            self._corrupt = position, error
            raise


class PinnedReleases:
    """The pins of a Bento, but where a local rollback says otherwise."""

    def __init__(
        self,
        pins: Mapping[str, str],
        previous: Mapping[str, str],
        local: LocalRollbacks,
    ) -> None:
        self._pins = pins
        self._previous = previous
        self._local = local

    def position(self) -> int:
        """Return a number that changes with every local rollback."""
        return self._local.position()

    def choose(self, use_case: str) -> Choice | None:
        """Return the version that was rolled back to here, or the pin."""
        pin = self._pins.get(use_case)
        local = self._local.read().get(use_case)
        if local is not None and local != pin:
            return Choice(local, previous=pin, fallback=Choice(pin) if pin else None)
        return Choice(pin, previous=self._previous.get(use_case)) if pin else None

    def reject(self, use_case: str, tag: str, reason: str) -> None:
        """Nobody is told but the log: the Bento has no ledger."""
        log.error("pinned version rejected", extra={"tag": tag, "reason": reason})


def _choice(event: Event, before: Choice | None) -> Choice:
    return Choice(
        event.to_tag,
        event.digest,
        previous=before.tag if before else None,
        since=event.effective,
        effective=event.effective,
        lead=event.effective - event.created,
        fallback=before,
    )
