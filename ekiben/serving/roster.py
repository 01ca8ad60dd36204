"""The versions that a worker has loaded, and why a use case has none."""

import gc
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from ekiben.errors import EkibenError, LedgerUnavailable, NotReady
from ekiben.predictor import Predictor, load_predictor
from ekiben.registry.store import Store
from ekiben.schemas.model_card import ModelCard
from ekiben.serving.cost import Cost
from ekiben.use_cases.use_case import UseCase

log = logging.getLogger(__name__)

WARM_UP_ROWS = (1, 8, 64, 512)


@dataclass(frozen=True)
class Choice:
    """Which version production is, and what is known of the change to it."""

    tag: str
    digest: str | None = None
    previous: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Served:
    """A use case and the version that answers for it; no card when none is loaded."""

    use_case: str
    production: str | None = None
    previous: str | None = None
    since: datetime | None = None
    card: ModelCard | None = None
    reason: str = ""

    @property
    def ready(self) -> bool:
        """Whether a verified version is loaded."""
        return self.card is not None


class Roster:
    """The loaded version of every served use case.

    *choose* names the version that is production, or None; it is the one place that
    decides which tag is served.
    """

    def __init__(
        self,
        use_cases: Sequence[UseCase],
        store: Callable[[], Store],
        choose: Callable[[str], Choice | None],
    ) -> None:
        self._use_cases = {use_case.name: use_case for use_case in use_cases}
        self._store = store
        self._choose = choose
        self._predictors: dict[str, Predictor] = {}
        self._served = {
            name: Served(use_case=name, reason="its model is being loaded")
            for name in self._use_cases
        }

    def predictor(self, use_case: str) -> Predictor:
        """Return what answers *use_case* now.

        Raises:
            NotReady: no verified version is loaded.
        """
        try:
            return self._predictors[use_case]
        except KeyError:
            raise NotReady(use_case, self._served[use_case].reason) from None

    def listing(self) -> Sequence[Served]:
        """Return every served use case, in the catalogue's order."""
        return tuple(self._served.values())

    def find(self, use_case: str) -> Served | None:
        """Return one served use case, or None."""
        return self._served.get(use_case)

    @property
    def ready(self) -> bool:
        """Whether every served use case has a verified, warmed version."""
        return all(served.ready for served in self._served.values())

    def load(self, costs: dict[str, Cost]) -> None:
        """Load, verify and warm up every chosen version; a failure is kept as the reason.

        Blocks for seconds: not for the event loop. What the warm-up calls took goes
        into *costs*.
        """
        for use_case in self._use_cases.values():
            self._load_one(use_case, costs[use_case.name])
        # What is loaded stays: keep it out of every later collection, whose pauses
        # over a million long-lived objects are what a client sees as p99.
        gc.collect()
        gc.freeze()

    def _load_one(self, use_case: UseCase, cost: Cost) -> None:
        served = self._served[use_case.name]
        try:
            choice = self._choose(use_case.name)
            if choice is None:
                self._served[use_case.name] = replace(
                    served, reason="no version is promoted yet"
                )
                log.warning("no version promoted", extra={"use_case": use_case.name})
                return
            served = self._served[use_case.name] = replace(
                served,
                production=choice.tag,
                previous=choice.previous,
                since=choice.since,
            )
            store = self._store()
            predictor = load_predictor(store, use_case, choice.tag, choice.digest)
            warm_up(predictor, cost)
            card = store.manifest(choice.tag).card
        except LedgerUnavailable as error:
            self._served[use_case.name] = replace(
                served, reason="the ledger is unavailable"
            )
            facts = {"use_case": use_case.name, "reason": error.reason}
            log.error("ledger unavailable", extra=facts)
        except EkibenError as error:
            self._served[use_case.name] = replace(
                served, reason="its production version was refused"
            )
            log.error(
                "version refused",
                extra={"use_case": use_case.name, "reason": str(error)},
            )
        except Exception:
            self._served[use_case.name] = replace(
                served, reason="its production version could not be loaded"
            )
            log.exception("version not loaded", extra={"use_case": use_case.name})
        else:
            self._predictors[use_case.name] = predictor
            self._served[use_case.name] = replace(served, card=card, reason="")
            log.info("version loaded", extra={"tag": choice.tag})


def warm_up(predictor: Predictor, cost: Cost) -> None:
    """Answer example rows in batches of several sizes, and learn what they take."""
    use_case = predictor.use_case
    examples = [use_case.row.model_validate(row) for row in use_case.examples]
    for count in WARM_UP_ROWS:
        rows = [examples[number % len(examples)] for number in range(count)]
        for _ in range(3):
            cost.time(count, partial(predictor.predict, rows))
