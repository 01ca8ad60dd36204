"""What the commands on releases share, and nothing that takes long to import."""

import getpass
import json
import os
from typing import Annotated

import typer

from ekiben.errors import UnknownUseCase
from ekiben.registry.events import Event
from ekiben.registry.ledger import Ledger
from ekiben.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]


def check_known(use_case: str, ledger: Ledger) -> None:
    """Pass over a name that the *ledger* or the catalogue has; else it is wrong usage."""
    if use_case in ledger.use_cases():
        return
    from ekiben.use_cases.catalog import get_use_case

    try:
        get_use_case(use_case)
    except UnknownUseCase as error:
        raise typer.BadParameter(str(error)) from None


def actor_of(settings: Settings) -> str:
    """Return who the ledger is to name: EKIBEN_ACTOR, or the login name."""
    if settings.actor:
        return settings.actor
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return f"uid {os.getuid()}"


def tell(event: Event, *, as_json: bool) -> None:
    """Say what moved, or print the event."""
    if as_json:
        typer.echo(json.dumps(event.document(), indent=2))
        return
    before = f", before: {event.from_tag}" if event.from_tag else ""
    since = f" from {event.effective:%H:%M:%S} UTC"
    typer.echo(f"{event.to_tag} is production of {event.use_case}{since}{before}")
