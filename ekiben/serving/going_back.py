"""Goes back to the version before at once, and tells the ledger when it is there."""

import logging
import threading
from concurrent.futures import Future

from ekiben.errors import Conflict, EkibenError, NothingToRollBack
from ekiben.serving.follower import Releases
from ekiben.serving.roster import Choice, Loaded, Roster

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class Return:
    """The way back of one worker; *stopped* ends what still waits for the ledger."""

    def __init__(
        self, roster: Roster, releases: Releases, stopped: threading.Event
    ) -> None:
        self._roster = roster
        self._releases = releases
        self._stopped = stopped

    def loaded(self, use_case: str, choice: Choice) -> Loaded | None:
        """Return the version before *choice*, loaded if it is not warm: after a restart."""
        former = before(choice)
        if former is None:
            return None
        if not self._roster.is_warm(use_case, former):
            self._roster.warm(use_case, former)
        return self._roster.warmed(use_case, former)

    def go_back(self, use_case: str, choice: Choice, reason: str) -> bool:
        """Swap to the version before *choice*, and tell the ledger in its own time.

        Return False, and do nothing, where something else answers by now.

        Raises:
            NothingToRollBack: there is none that is loaded and answers as it should.
            RuntimeError: no thread can be started; nothing was done.
        """
        former, fallback = self.loaded(use_case, choice), before(choice)
        if former is None or fallback is None or former.golden_fault() is not None:
            raise NothingToRollBack(use_case)
        gone: Future[bool] = Future()

        def go() -> None:
            gone.set_result(self._roster.withdraw(use_case, choice, fallback))
            if gone.result():
                self._tell(use_case, choice, reason)

        # Where no thread is left nothing has changed, and the next look tries again.
        threading.Thread(target=go, name=f"tell-{use_case}", daemon=True).start()
        return gone.result()

    def _tell(self, use_case: str, choice: Choice, reason: str) -> None:
        """Record the rollback; try again while the ledger is away."""
        told = ""
        while True:
            try:
                self._releases.roll_back(use_case, choice, reason)
            except (Conflict, NothingToRollBack) as error:
                # Another server was first, or an operator: the follower sees what came.
                log.info("rollback is not ours", extra={"reason": str(error)})
                return
            except EkibenError as error:
                if str(error) != told:
                    told = str(error)
                    log.warning("rollback not recorded yet", extra={"reason": told})
            else:
                return
            if self._stopped.wait(RETRY_SECONDS):
                return


def before(choice: Choice) -> Choice | None:
    """Return what a rollback of *choice* goes to."""
    if choice.previous is None:
        return None
    fallback = choice.fallback
    if fallback is not None and fallback.tag == choice.previous:
        return fallback
    return Choice(choice.previous)
