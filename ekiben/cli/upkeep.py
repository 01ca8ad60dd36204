"""`ekiben verify` and `prune`: whether all is sound, and what may go."""

import json
from typing import Annotated

import typer

from ekiben import upkeep
from ekiben.cli.catalogue import OneOrAll, names
from ekiben.cli.setting import AsJson
from ekiben.errors import EkibenError
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.store import Store
from ekiben.settings import Settings

KEEP = 5
"""Enough to go back over some days of releases."""

Keep = Annotated[
    int, typer.Option(min=1, help="Previous versions, and newest ones, to keep.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")]


def verify(as_json: AsJson = False) -> None:
    """Check the ledger's chain and every version; name what is not sound."""
    settings = Settings.from_env()
    with LedgerDatabase.opened(settings.ledger_url) as ledger:
        found = upkeep.verify(Store.at(settings.home), ledger, names(None))
    if as_json:
        facts = {
            "events": found.events,
            "head": found.head,
            "versions": found.versions,
            "faults": found.faults,
        }
        typer.echo(json.dumps(facts, indent=2))
    elif not found.faults:
        typer.echo(
            f"{found.events} events and {found.versions} versions are sound; "
            f"the ledger ends with {found.head}"
        )
    if found.faults:
        more = len(found.faults) - 1
        raise EkibenError(found.faults[0] + (f"; and {more} more" if more else ""))


def prune(
    use_case: OneOrAll = None,
    keep: Keep = KEEP,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Remove versions that are neither aliased, nor a rollback away, nor new."""
    settings = Settings.from_env()
    with LedgerDatabase.opened(settings.ledger_url) as ledger:
        tags = upkeep.prune(
            names(use_case),
            store=Store.at(settings.home),
            ledger=ledger,
            keep=keep,
            dry_run=dry_run,
        )
    if as_json:
        typer.echo(json.dumps({"removed": not dry_run, "tags": tags}, indent=2))
        return
    for tag in tags:
        typer.echo(f"{tag} would be removed" if dry_run else f"{tag} removed")
    if not tags:
        typer.echo("nothing to remove")
