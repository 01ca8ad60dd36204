"""What this process is to serve: settings, use cases, and which tag each is answered by.

The process that only looks after workers makes a plan, too, and imports nothing that answers.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ekiben.errors import (
    EkibenError,
    InvalidSettings,
    LedgerTooNew,
    LedgerUnavailable,
)
from ekiben.monitoring.prediction_log import check as check_log
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.ledger import Ledger
from ekiben.registry.packed import Packed, read_packed
from ekiben.serving.binding import auth_required, bound_host
from ekiben.settings import Settings
from ekiben.use_cases.use_case import UseCase

if TYPE_CHECKING:
    from ekiben.serving.dispatcher import Dispatcher
    from ekiben.serving.follower import Releases
    from ekiben.serving.roster import Choice
    from ekiben.serving.worker import Worker

log = logging.getLogger(__name__)


@contextmanager
def one_line() -> Iterator[None]:
    """End the process with one line where what it was told cannot be done."""
    try:
        yield
    except EkibenError as error:
        raise SystemExit(f"ekiben: {error}") from None


@dataclass(frozen=True)
class Plan:
    """What is served and from which tags; *packed* also says what a Bento holds."""

    settings: Settings
    use_cases: tuple[UseCase, ...]
    packed: Packed
    pinned: bool

    @classmethod
    def of_process(
        cls,
        service_file: str,
        catalog: Sequence[UseCase],
        arguments: Mapping[str, Any],
    ) -> "Plan":
        """Plan for the process that imports *service_file*, or end it with one line.

        *arguments* are BentoML's build arguments: use case to exact tag.
        """
        with one_line():
            settings = Settings.from_env()
            host = bound_host()
            if host is not None and auth_required(settings, host):
                from ekiben.serving.entrance import check as check_entrance

                check_entrance(settings)
            check_log(settings)
            return cls.make(settings, Path(service_file), catalog, arguments)

    @classmethod
    def make(
        cls,
        settings: Settings,
        service_file: Path,
        catalog: Sequence[UseCase],
        arguments: Mapping[str, Any],
    ) -> "Plan":
        """Make the plan from where the service lies and what it was told.

        Inside a Bento the pins are the models that its bento.yaml lists; elsewhere the
        *arguments*, or else what is production now.

        Raises:
            InvalidSettings: a use case is asked for that is not there.
        """
        held = read_packed(service_file.resolve().parent)
        served = _served(settings, catalog, held)
        releases = settings.releases or ("follow" if held is None else "pinned")
        pinned = releases == "pinned"
        if held is None:
            held = packed_now(settings, required=pinned)
            if arguments:
                pins = {str(name): str(tag) for name, tag in arguments.items()}
                held = Packed(pins, held.previous)
        names = {one.name for one in served}
        return cls(settings, served, held.only(names), pinned)

    def use_case(self, name: str) -> UseCase:
        """Return the served use case *name*."""
        return next(one for one in self.use_cases if one.name == name)

    @cached_property
    def releases(self) -> "Releases":
        """Where this process reads which version answers: the one place that decides."""
        from ekiben.registry.local import LocalRollbacks
        from ekiben.registry.store import Store
        from ekiben.serving.sources import LedgerReleases, PinnedReleases

        if not self.pinned:
            return LedgerReleases(self.settings.ledger_url, Store.of_bentoml)
        local = LocalRollbacks.at(self.settings.home)
        return PinnedReleases(self.packed.production, self.packed.previous, local)

    def make_worker(
        self, dispatcher: "Callable[..., Dispatcher] | None" = None
    ) -> "Worker":
        """Make what a process answers with; nothing is loaded yet."""
        from ekiben.monitoring.opening import LateStore
        from ekiben.registry.local import LocalRollbacks
        from ekiben.registry.store import Store
        from ekiben.serving.break_glass import BreakGlass
        from ekiben.serving.dispatcher import Dispatcher
        from ekiben.serving.drift_gauges import DriftGauges
        from ekiben.serving.follower import Follower
        from ekiben.serving.live import Live
        from ekiben.serving.probe import Limits, probe
        from ekiben.serving.refreshing import make_refresher
        from ekiben.serving.roster import Roster
        from ekiben.serving.trial import Allowed
        from ekiben.serving.watch import Watch
        from ekiben.serving.worker import Worker

        roster = Roster(self.use_cases, Store.of_bentoml, self.releases.choose)
        limits = Limits(
            self.settings.probe_seconds, self.settings.probe_megabytes * 2**20
        )

        def try_apart(use_case: str, choice: "Choice") -> str | None:
            return probe(use_case, choice, Store.of_bentoml(), limits)

        follower = Follower(roster, self.releases, try_apart)
        watch = Watch(roster, self.releases, Allowed.by(self.settings))
        local = LocalRollbacks.at(self.settings.home)
        glass = None if self.pinned else BreakGlass(roster, self.releases, local)
        live = Live(self.settings, self.use_cases, LateStore(self.settings.log_url))
        drift = DriftGauges(self.settings, Store.of_bentoml, roster.answering)
        drift_jobs = [drift.job] if self.settings.measures_drift else []
        return Worker(
            self.use_cases,
            roster,
            follower,
            watch,
            self.settings,
            refresher=make_refresher([live.job, *drift_jobs]),
            live=live,
            break_glass=glass,
            dispatcher=dispatcher or Dispatcher,
        )


def _served(
    settings: Settings, catalog: Sequence[UseCase], held: Packed | None
) -> tuple[UseCase, ...]:
    there = [one for one in catalog if held is None or one.name in held.production]
    names = [one.name for one in there]
    if not there:
        raise InvalidSettings(
            "this Bento holds no model; promote versions, then build it again"
        )
    if unknown := set(settings.models) - set(names):
        raise InvalidSettings(
            f"EKIBEN_MODELS: no use case {', '.join(sorted(unknown))} here; "
            f"there are: {', '.join(names)}"
        )
    return tuple(one for one in there if one.name in (settings.models or names))


def read_ledger(settings: Settings) -> Ledger:
    """Return the ledger as it stands: a server serves what it says, intact or not.

    Raises:
        LedgerUnavailable: it cannot be reached.
    """
    with LedgerDatabase.opened(settings.ledger_url) as database:
        return database.ledger()


def packed_now(settings: Settings, *, required: bool) -> Packed:
    """Return what is production now and was before; nothing when the ledger is away.

    A server that follows the ledger starts without it, and is not ready.

    Raises:
        LedgerUnavailable: the ledger is away and *required*.
        LedgerTooNew: this Ekiben cannot read it.
    """
    try:
        ledger = read_ledger(settings)
    except LedgerUnavailable as error:
        if required or isinstance(error, LedgerTooNew):
            raise
        log.warning("ledger unavailable", extra={"reason": error.reason})
        return Packed({})
    found = {name: ledger.production(name) for name in ledger.use_cases()}
    moved = {name: one for name, one in found.items() if one}
    return Packed(
        {name: one.tag for name, one in moved.items()},
        {name: one.previous for name, one in moved.items() if one.previous},
    )
