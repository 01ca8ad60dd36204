"""What the commands share that know the catalogue: names of use cases, and their gates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from pydantic import JsonValue

from ekiben.errors import ArtefactRefused, UnknownUseCase
from ekiben.predictor import load_predictor
from ekiben.registry.store import Store
from ekiben.releases import Gates
from ekiben.use_cases.catalog import USE_CASES, get_use_case
from ekiben.use_cases.use_case import UseCase


def known(name: str) -> str:
    """Return the *name* of a use case; wrong usage where there is none."""
    try:
        return get_use_case(name).name
    except UnknownUseCase as error:
        raise typer.BadParameter(str(error)) from None


def known_or_none(name: str | None) -> str | None:
    """Return *name*, None for all; wrong usage where there is none."""
    return None if name is None else known(name)


UseCaseName = Annotated[str, typer.Argument(metavar="USE_CASE", callback=known)]
OneOrAll = Annotated[
    str | None,
    typer.Argument(metavar="[USE_CASE]", help="None: all.", callback=known_or_none),
]


def names(use_case: str | None) -> Sequence[str]:
    """Return one name, or those of the whole catalogue."""
    return [use_case] if use_case else [one.name for one in USE_CASES]


@dataclass(frozen=True)
class Soundness:
    """Whether a version loads and answers its golden rows as it did."""

    failed: tuple[str, ...]
    reason: str

    @property
    def passed(self) -> bool:
        """Whether it does."""
        return not self.failed

    def facts(self) -> JsonValue:
        """Return the verdict."""
        return {
            "passed": self.passed,
            "gates": [{"name": "golden", "passed": self.passed, "reason": self.reason}],
        }


def gates_of(use_case: UseCase, store: Store) -> Gates:
    """Return the gates that a version of *use_case* has to pass."""

    def check(candidate: str, _: str | None) -> Soundness:
        try:
            load_predictor(store, use_case, candidate)
        except ArtefactRefused as error:
            return Soundness(("golden",), error.reason)
        return Soundness((), "")

    return check
