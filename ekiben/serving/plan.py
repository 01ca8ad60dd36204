"""What this process is to serve: settings, use cases, and which tag each is answered by."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ekiben.errors import EkibenError, InvalidSettings
from ekiben.registry.aliases import Production
from ekiben.registry.store import Store
from ekiben.serving.roster import Choice, Roster
from ekiben.serving.worker import Worker
from ekiben.settings import Settings
from ekiben.use_cases.use_case import UseCase

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
        pins = pins or {
            name: alias.tag
            for name, alias in production(settings).all().items()
            if name in names
        }
        return cls(
            settings,
            served,
            {name: tag for name, tag in pins.items() if name in names},
            (settings.releases or ("follow" if packed is None else "pinned"))
            == "pinned",
        )

    def use_case(self, name: str) -> UseCase:
        """Return the served use case *name*."""
        return next(one for one in self.use_cases if one.name == name)

    def choose(self, use_case: str) -> Choice | None:
        """Say which version answers *use_case*: the pin, or what is production."""
        if self.pinned:
            tag = self.pins.get(use_case)
            return Choice(tag) if tag else None
        alias = production(self.settings).find(use_case)
        if alias is None:
            return None
        return Choice(alias.tag, alias.digest, alias.previous, alias.since)

    def make_worker(self) -> Worker:
        """Make what a process answers with; nothing is loaded yet."""
        roster = Roster(self.use_cases, Store.of_bentoml, self.choose)
        return Worker(self.use_cases, roster, self.settings)


def production(settings: Settings) -> Production:
    """Return the production aliases of this installation."""
    return Production.at(settings.home)


def packed_tags(bento_file: Path) -> dict[str, str] | None:
    """Return use case to tag of the models in a Bento; None where there is no Bento."""
    if not bento_file.is_file():
        return None
    bento = yaml.safe_load(bento_file.read_text(encoding="utf-8"))
    listed = [
        model["tag"] for service in bento["services"] for model in service["models"]
    ]
    return {tag.partition(":")[0]: tag for tag in listed}
