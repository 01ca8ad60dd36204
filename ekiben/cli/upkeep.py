"""`ekiben verify` and `prune`: whether all is sound, and what may go."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from ekiben import upkeep
from ekiben.cli.catalogue import OneOrAll, names
from ekiben.cli.setting import AsJson
from ekiben.errors import EkibenError
from ekiben.monitoring.records import EPOCH
from ekiben.monitoring.store import PredictionStore
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.local import LocalRollbacks
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
        local = LocalRollbacks.at(settings.home).read()
        found = upkeep.verify(Store.at(settings.home), ledger, names(None), local)
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
    """Remove logged predictions older than EKIBEN_LOG_DAYS, and versions that are neither
    aliased, nor a rollback away, nor new, nor answered anything the log still holds."""
    settings, chosen = Settings.from_env(), names(use_case)
    before = datetime.now(UTC) - timedelta(days=settings.log_days)
    with _log_of(settings) as log:
        rows = _prune_log(log, chosen, before, dry_run=dry_run)
        with LedgerDatabase.opened(settings.ledger_url) as ledger:
            tags = upkeep.prune(
                chosen,
                store=Store.at(settings.home),
                ledger=ledger,
                keep=keep,
                logged=lambda name: log.tags(name, since=before) if log else (),
                dry_run=dry_run,
            )
    if as_json:
        facts = {"removed": not dry_run, "tags": tags, "predictions": rows}
        typer.echo(json.dumps(facts, indent=2))
        return
    removed = "would be removed" if dry_run else "removed"
    for tag in tags:
        typer.echo(f"{tag} {removed}")
    for name, count in rows.items():
        typer.echo(
            f"{count:,} logged predictions of {name}, older than "
            f"{settings.log_days} days, {removed}"
        )
    if not tags and not rows:
        typer.echo("nothing to remove")


@contextmanager
def _log_of(settings: Settings) -> Iterator[PredictionStore | None]:
    """Open the prediction log; None: there is none, and none is made."""
    kind, _, file = settings.log_url.partition(":///")
    if kind == "sqlite" and not Path(file).exists():
        yield None
        return
    with PredictionStore.opened(settings.log_url) as log:
        yield log


def _prune_log(
    log: PredictionStore | None,
    use_cases: Sequence[str],
    before: datetime,
    *,
    dry_run: bool,
) -> dict[str, int]:
    """Remove what is past its days from the log; return how many rows of each use case."""
    if log is None:
        return {}
    found = {
        name: log.count(name, since=EPOCH, until=before)
        if dry_run
        else log.prune(name, before=before)
        for name in use_cases
    }
    return {name: rows for name, rows in found.items() if rows}
