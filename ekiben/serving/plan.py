"""What this process is to serve: settings, use cases, and which tag each is answered by."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ekiben.errors import EkibenError, InvalidSettings, LedgerUnavailable
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.ledger import Ledger
from ekiben.registry.store import Store
from ekiben.serving.roster import Choice, Roster
from ekiben.serving.worker import Worker
from ekiben.settings import Settings
from ekiben.use_cases.use_case import UseCase

log = logging.getLogger(__name__)

BENTO_FILE = "bento.yaml"


@contextmanager
def one_line() -> Iterator[None]:
    """End the process with one line where what it was told cannot be done."""
    try:
        yield
    except EkibenError as error:
        raise SystemExit(f"ekiben: {error}") from None


@dataclass(frozen=True)
class Plan:
    """What is served and from which tags; *pins* also say what a Bento packs."""

    settings: Settings
    use_cases: tuple[UseCase, ...]
    pins: Mapping[str, str]
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
        packed = packed_tags(service_file.resolve().parent.parent / BENTO_FILE)
        known = {use_case.name for use_case in catalog}
        there = known if packed is None else known & packed.keys()
        if not there:
            raise InvalidSettings(
                "this Bento holds no model; promote versions, then build it again"
            )
        if unknown := set(settings.models) - there:
            raise InvalidSettings(
                f"EKIBEN_MODELS: no use case {', '.join(sorted(unknown))} here; "
                f"there are: {', '.join(one.name for one in catalog if one.name in there)}"
            )
        served = tuple(
            one
            for one in catalog
            if one.name in there and one.name in (settings.models or known)
        )
        names = {one.name for one in served}
        pins = packed or {str(name): str(tag) for name, tag in arguments.items()}
        releases = settings.releases or ("follow" if packed is None else "pinned")
        pinned = releases == "pinned"
        if not pins:
            pins = production_tags(settings, required=pinned)
        return cls(
            settings,
            served,
            {name: tag for name, tag in pins.items() if name in names},
            pinned,
        )

    def use_case(self, name: str) -> UseCase:
        """Return the served use case *name*."""
        return next(one for one in self.use_cases if one.name == name)

    def choose(self, use_case: str) -> Choice | None:
        """Say which version answers *use_case*: the pin, or what is production."""
        if self.pinned:
            tag = self.pins.get(use_case)
            return Choice(tag) if tag else None
        production = read_ledger(self.settings).production(use_case)
        if production is None:
            return None
        return Choice(
            production.tag, production.digest, production.previous, production.since
        )

    def make_worker(self) -> Worker:
        """Make what a process answers with; nothing is loaded yet."""
        roster = Roster(self.use_cases, Store.of_bentoml, self.choose)
        return Worker(self.use_cases, roster, self.settings)


def read_ledger(settings: Settings) -> Ledger:
    """Return the ledger as it stands: a server serves what it says, intact or not.

    Raises:
        LedgerUnavailable: it cannot be reached.
    """
    with LedgerDatabase.opened(settings.ledger_url) as database:
        return database.ledger()


def production_tags(settings: Settings, *, required: bool) -> dict[str, str]:
    """Return use case to production tag; none when the ledger is away and not *required*.

    A server that follows the ledger starts without it, and is not ready.
    """
    try:
        ledger = read_ledger(settings)
    except LedgerUnavailable as error:
        if required:
            raise
        log.warning("ledger unavailable", extra={"reason": error.reason})
        return {}
    found = {name: ledger.production(name) for name in ledger.use_cases()}
    return {name: production.tag for name, production in found.items() if production}


def packed_tags(bento_file: Path) -> dict[str, str] | None:
    """Return use case to tag of the models in a Bento; None where there is no Bento."""
    if not bento_file.is_file():
        return None
    bento = yaml.safe_load(bento_file.read_text(encoding="utf-8"))
    listed = [
        model["tag"] for service in bento["services"] for model in service["models"]
    ]
    return {tag.partition(":")[0]: tag for tag in listed}
