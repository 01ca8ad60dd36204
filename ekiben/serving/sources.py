"""Where a worker reads what it should serve: the ledger, or the pins of a Bento."""

import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from ekiben import releases
from ekiben.errors import Conflict, CorruptLedger
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Event, verify_chain
from ekiben.registry.ledger import Ledger
from ekiben.registry.local import LocalRollback, LocalRollbacks
from ekiben.registry.store import Store
from ekiben.serving.roster import Choice

log = logging.getLogger(__name__)


class LedgerReleases:
    """The releases as the ledger at *url* has them; opened at first use, kept open."""

    def __init__(self, url: str, store: Callable[[], Store]) -> None:
        self._url = url
        self._store = store
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
        ledger = self._ledger()
        standing = ledger.line(use_case)
        if not standing:
            return None
        before = _choice(standing[-2], None) if len(standing) > 1 else None
        rejected = ledger.rejected(use_case) is not None
        return _choice(standing[-1], before, rejected=rejected)

    def reject(self, use_case: str, tag: str, reason: str) -> None:
        """Record that *tag* is production and cannot be loaded here; see `releases`."""
        releases.reject(
            use_case, tag, ledger=self._open(), actor=actor(), reason=reason
        )

    def roll_back(self, use_case: str, choice: Choice, reason: str) -> None:
        """Record that *choice* was at fault here; see `releases`."""
        releases.rollback(
            use_case,
            store=self._store(),
            ledger=self._open(),
            actor=actor(),
            reason=reason,
            move=choice.sequence,
        )

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
        return Ledger(_without_reports(ledger.events), ledger.head)

    def _newer(self, known: Ledger, position: int) -> Ledger:
        """Return *known* and what came since; who wrote past the chain moves nothing.

        Raises:
            CorruptLedger: the new events do not follow from what is known.
        """
        if self._corrupt and self._corrupt[0] == position:
            raise self._corrupt[1]  # the follower asks twenty times a second
        events, head = self._open().news(known.head.sequence)
        try:
            verify_chain(events, head, known.head)
            return Ledger((*known.events, *_without_reports(events)), head)
        except CorruptLedger:
            # A database restored or failed over may have lost events and be sound.
            return self._whole(position)

    def _whole(self, position: int) -> Ledger:
        try:
            ledger = self._open().verified()
        except CorruptLedger as error:
            self._corrupt = position, error
            raise
        return Ledger(_without_reports(ledger.events), ledger.head)


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
        local = self._local.pinned(use_case, pin)
        if local is not None:
            return Choice(local, previous=pin, fallback=Choice(pin) if pin else None)
        if pin is None:
            return None
        return Choice(pin, previous=self._previous.get(use_case), on_trial=True)

    def reject(self, use_case: str, tag: str, reason: str) -> None:
        """Nobody is told but the log: the Bento has no ledger."""
        log.error("pinned version rejected", extra={"tag": tag, "reason": reason})

    def roll_back(self, use_case: str, choice: Choice, reason: str) -> None:
        """Let all workers of this host, and those to come, answer with the version before.

        Raises:
            Conflict: an operator, or another worker, did so first.
            StoreUnavailable: it cannot be written.
        """
        chosen = self.choose(use_case)
        if chosen is None or chosen.tag != choice.tag or choice.previous is None:
            raise Conflict(use_case, 0, "another worker")
        order = LocalRollback(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            actor=actor(),
            reason=reason,
            tag=choice.previous,
            pin=self._pins.get(use_case),
        )
        self._local.set(use_case, order)


def actor() -> str:
    """Return how the ledger names this server."""
    return f"server {socket.gethostname()}"


def _without_reports(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return *events* without what the gates found: it is nearly all that they take, and
    is not looked at here once the chain is verified.
    """
    return tuple(replace(one, report=None) for one in events)


def _choice(event: Event, before: Choice | None, *, rejected: bool = False) -> Choice:
    return Choice(
        event.to_tag,
        event.digest,
        previous=before.tag if before else None,
        since=event.effective,
        effective=event.effective,
        lead=event.effective - event.created,
        fallback=before,
        rejected=rejected,
        sequence=event.sequence,
        on_trial=event.action == "promote",
    )
