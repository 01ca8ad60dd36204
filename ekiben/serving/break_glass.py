"""Follows the local rollbacks that an operator orders while the ledger is away."""

import logging
import threading

from ekiben.errors import EkibenError, NothingToRollBack
from ekiben.registry.local import LocalRollback, LocalRollbacks
from ekiben.serving.follower import Releases
from ekiben.serving.going_back import Return
from ekiben.serving.roster import Choice, Roster

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25


class BreakGlass:
    """One thread per worker that follows the ledger.

    An order is bound to the move that it takes back by the first worker that reads it.
    Whatever moves production afterwards outdates it; a worker that starts anew while the
    ledger still says what was taken back goes back again. No clock is asked.
    """

    def __init__(
        self, roster: Roster, releases: Releases, local: LocalRollbacks
    ) -> None:
        self._roster = roster
        self._local = local
        self._stopped = threading.Event()
        self._return = Return(roster, releases, self._stopped)
        self._done: dict[str, LocalRollback] = {}
        """The orders that are not, or no longer, to be looked at."""

    def start(self) -> None:
        """Follow until `stop`; an order that no worker took up before is too old."""
        try:
            self._done = {
                name: order
                for name, order in self._local.read().items()
                if order.move is None
            }
        except EkibenError as error:
            log.error("local rollbacks unreadable", extra={"reason": str(error)})
        threading.Thread(target=self._watch, name="break-glass", daemon=True).start()

    def stop(self) -> None:
        """End following."""
        self._stopped.set()

    def look(self) -> None:
        """Do once what is ordered.

        Raises:
            StoreUnavailable: the orders cannot be read or bound.
        """
        if not self._local.position():
            return
        for use_case, order in self._local.read().items():
            standing = self._roster.standing(use_case)
            if standing is not None and order != self._done.get(use_case):
                self._obey(use_case, order, standing[0])

    def _obey(self, use_case: str, order: LocalRollback, choice: Choice) -> None:
        if order.tag is not None:
            return  # to pinned servers
        if order.move is None:
            order = self._local.bind(use_case, order, choice.sequence)
        if order.move != choice.sequence:
            return
        facts = {"tag": choice.tag, "reason": order.grounds}
        try:
            if self._return.go_back(use_case, choice, order.grounds):
                log.warning("version taken back", extra=facts)
        except NothingToRollBack:
            self._done[use_case] = order
            log.error("ordered back, and no version to go back to", extra=facts)

    def _watch(self) -> None:
        told = ""
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self.look()
            except EkibenError as error:
                if str(error) != told:
                    told = str(error)
                    log.error("local rollbacks unreadable", extra={"reason": told})
            except Exception:
                log.exception("following local rollbacks failed")
