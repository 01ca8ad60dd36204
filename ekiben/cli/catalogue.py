"""What the commands share that know the catalogue: names of use cases, and their gates."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer

from ekiben.comparison import check
from ekiben.errors import UnknownUseCase
from ekiben.registry.store import Store
from ekiben.releases import Gates
from ekiben.serving.probe import Limits, probe
from ekiben.serving.roster import Choice
from ekiben.settings import Settings
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


def gates_of(use_case: UseCase, store: Store, settings: Settings) -> Gates:
    """Return the gates that a version of *use_case* has to pass."""
    limits = Limits(settings.probe_seconds, settings.probe_megabytes * 2**20)

    def try_apart(tag: str) -> str | None:
        return probe(use_case.name, Choice(tag), store, limits)

    return partial(check, store=store, use_case=use_case, try_apart=try_apart)
