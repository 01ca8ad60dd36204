"""`ekiben promote`, `rollback`, `history`, `verify`: the ledger and what moves it."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ekiben import releases, upkeep
from ekiben.cli.setting import (
    AsJson,
    OneOrAll,
    UseCaseName,
    actor_of,
    gates_of,
    names,
)
from ekiben.errors import EkibenError, NothingToRollBack
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Event, stamp
from ekiben.registry.ledger import Production, production_at
from ekiben.registry.local import LocalRollbacks
from ekiben.registry.packed import read_packed
from ekiben.registry.store import Store
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case

Version = Annotated[
    str, typer.Argument(help="A tag, a version, or an unambiguous prefix.")
]
Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]
Force = Annotated[
    bool, typer.Option("--force", help="Override failed gates; needs --reason.")
]
Local = Annotated[
    bool,
    typer.Option(
        "--local",
        help="Only the pinned servers of this host, without the ledger; "
        "in the src folder of the Bento.",
    ),
]
To = Annotated[
    str | None, typer.Option(help="An earlier production version. None: the previous.")
]


def promote(
    use_case: UseCaseName,
    version: Version,
    reason: Reason = "",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a version production, if it passes the gates."""
    settings = Settings.from_env()
    store = Store.at(settings.home)
    with (
        Console(stderr=True).status("checking"),
        LedgerDatabase.opened(settings.ledger_url) as ledger,
    ):
        event = releases.promote(
            use_case,
            version,
            store=store,
            ledger=ledger,
            gates=gates_of(get_use_case(use_case), store),
            actor=actor_of(settings),
            reason=reason,
            force=force,
            lead=settings.promote_lead,
        )
    _tell(event, as_json=as_json)


def rollback(
    use_case: UseCaseName,
    to: To = None,
    reason: Reason = "",
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Make the previous production version production again, at once."""
    settings = Settings.from_env()
    if local:
        _roll_back_here(use_case, to, settings)
        return
    with LedgerDatabase.opened(settings.ledger_url) as ledger:
        event = releases.rollback(
            use_case,
            store=Store.at(settings.home),
            ledger=ledger,
            actor=actor_of(settings),
            reason=reason,
            to=to,
        )
    _tell(event, as_json=as_json)


def _roll_back_here(use_case: str, to: str | None, settings: Settings) -> None:
    """Let pinned servers of this host answer with another version that their Bento holds."""
    rollbacks = LocalRollbacks.at(settings.home)
    packed = read_packed(Path(os.environ.get("BENTO_PATH", "..")) / "src")
    if packed is None:
        raise EkibenError("there is no Bento here; run this in its src folder")
    now = rollbacks.read().get(use_case) or packed.production.get(use_case)
    others = [one for one in packed.versions(use_case) if one != now]
    tag = releases.resolve(use_case, to, others) if to else next(iter(others), None)
    if tag is None:
        raise NothingToRollBack(use_case)
    Store.of_bentoml().verify(tag)
    rollbacks.set(use_case, tag)
    typer.echo(f"{tag} answers {use_case} on this host, before: {now}")


def read_time(text: str) -> datetime:
    """Read an ISO 8601 time; without an offset it is UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no ISO 8601 time") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


At = Annotated[
    datetime | None,
    typer.Option(
        parser=read_time,
        metavar="TIME",
        help="What was production then. ISO 8601; UTC where no offset is given.",
    ),
]


def history(use_case: OneOrAll = None, at: At = None, as_json: AsJson = False) -> None:
    """Print the ledger: who moved what, when and why; or what was live at a time."""
    settings = Settings.from_env()
    with LedgerDatabase.opened(settings.ledger_url) as database:
        ledger = database.ledger()
    if at is None:
        _print_events(ledger.history(use_case), as_json=as_json)
        return
    asked = [use_case] if use_case else ledger.use_cases()
    live = {name: production_at(ledger.events, name, at) for name in asked}
    _print_live(live, at, as_json=as_json)


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


def _tell(event: Event, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(event.document(), indent=2))
        return
    before = f", before: {event.from_tag}" if event.from_tag else ""
    since = f" from {event.effective:%H:%M:%S} UTC"
    typer.echo(f"{event.to_tag} is production of {event.use_case}{since}{before}")


def _print_events(events: Sequence[Event], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([event.document() for event in events], indent=2))
        return
    table = Table("#", "created (UTC)", "action", "version", "before", "actor", "why")
    for column in table.columns:
        column.overflow = "fold"
    for event in events:
        cells = (
            str(event.sequence),
            f"{event.created:%Y-%m-%d %H:%M:%S}",
            f"{event.action}, forced" if event.forced else event.action,
            event.to_tag,
            event.from_tag or "",
            event.actor,
            event.reason,
        )
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)


def _print_live(
    live: dict[str, Production | None], at: datetime, *, as_json: bool
) -> None:
    if as_json:
        facts = {
            name: one
            and {
                "tag": one.tag,
                "digest": one.digest,
                "since": stamp(one.since),
                "sequence": one.sequence,
                "previous": one.previous,
            }
            for name, one in live.items()
        }
        typer.echo(json.dumps(facts, indent=2))
        return
    table = Table("use case", "production", "since (UTC)", "event", title=stamp(at))
    for name, one in live.items():
        cells = (
            (one.tag, f"{one.since:%Y-%m-%d %H:%M:%S}", str(one.sequence))
            if one
            else ("none", "", "")
        )
        table.add_row(name, *cells)
    Console().print(table)
