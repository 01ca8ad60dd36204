"""The versions that a worker has loaded, which of them answers, and why a use case has none."""

import gc
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock

from ekiben.errors import EkibenError, LedgerUnavailable, NotReady
from ekiben.predictor import Predictor, golden_fault, load_predictor
from ekiben.registry.store import Store
from ekiben.schemas.base import Row
from ekiben.schemas.model_card import Golden, ModelCard
from ekiben.serving.cost import Cost
from ekiben.use_cases.use_case import Fields, UseCase

log = logging.getLogger(__name__)

WARM_UP_ROWS = (1, 8, 64, 512)


@dataclass(frozen=True)
class Choice:
    """Which version production is, and what is known of the change to it.

    `effective` is when it starts to answer, at most `lead` from now; `fallback` is what
    answers while it cannot; `rejected` says that a server found it so. `sequence` is the ledger's event; `on_trial` says that it is
    new, so that its failures are held against it.
    """

    tag: str
    digest: str | None = None
    previous: str | None = None
    since: datetime | None = None
    effective: datetime | None = None
    lead: timedelta = timedelta()
    fallback: "Choice | None" = None
    rejected: bool = False
    sequence: int = 0
    on_trial: bool = False

    def delay(self, now: datetime) -> float:
        """Return the seconds until it takes effect, never longer than its lead.

        A clock that was set back must not keep a rollback waiting.
        """
        if self.effective is None:
            return 0.0
        return min(max(self.effective - now, timedelta()), self.lead).total_seconds()

    @property
    def key(self) -> tuple[str, str | None, datetime | None]:
        """What tells this move to the version from another."""
        return self.tag, self.digest, self.effective


@dataclass(frozen=True)
class Loaded:
    """A verified, warmed version in memory, and what its calls take."""

    predictor: Predictor
    card: ModelCard
    digest: str
    cost: Cost
    golden: Sequence[Golden]

    @property
    def tag(self) -> str:
        """The exact tag."""
        return self.predictor.tag

    def predict(self, rows: Sequence[Row]) -> Sequence[Fields]:
        """Answer *rows*, one entry a row, in order."""
        return self.predictor.answers(rows)

    def golden_fault(self) -> str | None:
        """Return how it fails on its golden rows now, None: not at all."""
        try:
            return golden_fault(self.predictor, self.golden)
        except Exception as error:
            return f"the golden rows raise {type(error).__name__}"


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


@dataclass
class _Seat:
    """What one use case has: the version that answers, and those that are warm, by tag."""

    served: Served
    current: Loaded | None = None
    choice: Choice | None = None
    warm: dict[str, Loaded] = field(default_factory=dict)


class Roster:
    """The loaded versions of every served use case.

    The version that answers and the one before stay warm, so that going back needs
    neither the store nor the ledger; older ones are let go. `predictor` may be called
    from any thread at any time; the other calls that change something hold a lock.
    """

    def __init__(
        self,
        use_cases: Sequence[UseCase],
        store: Callable[[], Store],
        choose: Callable[[str], Choice | None],
    ) -> None:
        self.use_cases = {use_case.name: use_case for use_case in use_cases}
        self._store = store
        self._choose = choose
        self._lock = Lock()
        self._seats = {
            name: _Seat(Served(use_case=name, reason="its model is being loaded"))
            for name in self.use_cases
        }

    def predictor(self, use_case: str) -> Loaded:
        """Return what answers *use_case* now.

        Raises:
            NotReady: no verified version is loaded.
        """
        seat = self._seats[use_case]
        if seat.current is None:
            raise NotReady(use_case, seat.served.reason)
        return seat.current

    def listing(self) -> Sequence[Served]:
        """Return every served use case, in the catalogue's order."""
        return tuple(seat.served for seat in self._seats.values())

    def answering(self) -> dict[str, str]:
        """Return the tag of the version that answers, of each use case that has one."""
        return {one.use_case: one.card.tag for one in self.listing() if one.card}

    def find(self, use_case: str) -> Served | None:
        """Return one served use case, or None."""
        seat = self._seats.get(use_case)
        return seat.served if seat else None

    @property
    def ready(self) -> bool:
        """Whether every served use case has a verified, warmed version."""
        return all(served.ready for served in self.listing())

    def serves(self, use_case: str, choice: Choice) -> bool:
        """Whether *choice* is what answers already."""
        current = self._seats[use_case].current
        return current is not None and _is(current, choice)

    def is_warm(self, use_case: str, choice: Choice) -> bool:
        """Whether *choice* is loaded and could answer at once."""
        return self.warmed(use_case, choice) is not None

    def warmed(self, use_case: str, choice: Choice) -> Loaded | None:
        """Return *choice* where it is loaded."""
        loaded = self._seats[use_case].warm.get(choice.tag)
        return loaded if loaded is not None and _is(loaded, choice) else None

    def standing(self, use_case: str) -> tuple[Choice, Loaded] | None:
        """Return what answers now, and the choice by which it does."""
        with self._lock:
            seat = self._seats[use_case]
            if seat.choice is None or seat.current is None:
                return None
            return seat.choice, seat.current

    def tags(self, use_case: str) -> tuple[set[str], str | None]:
        """Return the versions that are loaded, and which of them answers."""
        with self._lock:
            seat = self._seats[use_case]
            return set(seat.warm), seat.current.tag if seat.current else None

    def load(self) -> None:
        """Load what is chosen for every use case; a failure is kept as the reason.

        Blocks for seconds: not for the event loop.
        """
        for name in self.use_cases:
            try:
                choice = self._choose(name)
            except LedgerUnavailable as error:
                log.error("ledger unavailable", extra={"reason": error.reason})
                self._say(name, "the ledger is unavailable")
                continue
            except EkibenError as error:
                log.error("releases unreadable", extra={"reason": str(error)})
                self._say(name, "which version is production cannot be read")
                continue
            if choice is None:
                log.warning("no version promoted", extra={"use_case": name})
                self._say(name, "no version is promoted yet")
                continue
            self._load_first(name, choice)
        # What is loaded now stays: keep it out of every later collection, whose pauses
        # over a million long-lived objects are what a client sees as p99.
        gc.collect()
        gc.freeze()

    def _load_first(self, name: str, choice: Choice) -> None:
        """Load *choice*, or what answered before it, and let it answer."""
        seat = self._seats[name]
        seat.served = replace(
            seat.served,
            production=choice.tag,
            previous=choice.previous,
            since=choice.since,
        )
        unfit = choice.rejected or choice.delay(datetime.now(UTC)) > 0
        if unfit and choice.fallback and self.warm(name, choice.fallback) is None:
            # What crashes its loader would end every worker that starts; and no worker
            # answers by a version before its time. The follower tries it apart.
            self.swap(name, choice.fallback)
            return
        reason = self.warm(name, choice)
        if reason is None:
            self.swap(name, choice)
            return
        log.error("version refused", extra={"use_case": name, "reason": reason})
        if choice.fallback and self.warm(name, choice.fallback) is None:
            self.swap(name, choice.fallback)
            return
        self._say(name, reason)

    def warm(self, use_case: str, choice: Choice) -> str | None:
        """Load, verify and warm up *choice* beside what answers; return why not, or None."""
        cost = Cost()
        try:
            store = self._store()
            predictor = load_predictor(
                store, self.use_cases[use_case], choice.tag, choice.digest
            )
            warm_up(predictor, cost)
            manifest = store.manifest(choice.tag)
        except EkibenError as error:
            log.warning("version refused", extra={"tag": choice.tag, "why": str(error)})
            return "its production version was refused"
        except Exception:
            log.exception("version not loaded", extra={"tag": choice.tag})
            return "its production version could not be loaded"
        with self._lock:
            self._seats[use_case].warm[choice.tag] = Loaded(
                predictor, manifest.card, manifest.digest, cost, manifest.golden
            )
        compiled = manifest.card.compiled
        serves = compiled.serves if compiled else "native"
        log.info("version loaded", extra={"tag": choice.tag, "serves": serves})
        return None

    def swap(self, use_case: str, choice: Choice) -> None:
        """Let *choice*, which is warm, answer from the next batch on.

        What answered until now stays warm; all others are let go.
        """
        with self._lock:
            self._swap(self._seats[use_case], choice)

    def withdraw(self, use_case: str, faulty: Choice, fallback: Choice) -> bool:
        """Swap *fallback*, which is warm, in for *faulty*; not if another answers by now."""
        with self._lock:
            seat = self._seats[use_case]
            if seat.choice is not faulty:
                return False
            self._swap(seat, fallback)
            return True

    @staticmethod
    def _swap(seat: _Seat, choice: Choice) -> None:
        before, after = seat.current, seat.warm[choice.tag]
        seat.current, seat.choice = after, choice
        kept = {after.tag, before.tag if before else "", choice.previous or ""}
        seat.warm = {tag: one for tag, one in seat.warm.items() if tag in kept}
        seat.served = replace(
            seat.served,
            production=choice.tag,
            previous=choice.previous,
            since=choice.since,
            card=after.card,
            reason="",
        )

    def _say(self, use_case: str, reason: str) -> None:
        seat = self._seats[use_case]
        seat.served = replace(seat.served, reason=reason)


def _is(loaded: Loaded, choice: Choice) -> bool:
    return loaded.tag == choice.tag and choice.digest in (None, loaded.digest)


def warm_up(predictor: Predictor, cost: Cost) -> None:
    """Answer example rows in batches of several sizes, and learn what they take."""
    use_case = predictor.use_case
    examples = [use_case.row.model_validate(row) for row in use_case.examples]
    for count in WARM_UP_ROWS:
        rows = [examples[number % len(examples)] for number in range(count)]
        for _ in range(3):
            cost.time(count, partial(predictor.predict, rows))
