"""`ekiben history`: what the ledger says, and what was live at a time."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ekiben.cli.setting import AsJson, check_known
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Event, stamp
from ekiben.registry.ledger import Production, production_at
from ekiben.settings import Settings


def read_time(text: str) -> datetime:
    """Read an ISO 8601 time; without an offset it is UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no ISO 8601 time") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


OneOrAll = Annotated[
    str | None, typer.Argument(metavar="[USE_CASE]", help="None: all.")
]
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
    if use_case:
        check_known(use_case, ledger)
    if at is None:
        _print_events(ledger.history(use_case), as_json=as_json)
        return
    asked = [use_case] if use_case else ledger.use_cases()
    live = {name: production_at(ledger.events, name, at) for name in asked}
    _print_live(live, at, as_json=as_json)


def _print_events(events: Sequence[Event], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([event.document() for event in events], indent=2))
        return
    table = Table(
        "#", "created (UTC)", "action", "production", "actor", "why", box=SIMPLE_HEAD
    )
    for column in table.columns:
        column.overflow = "fold"
    table.columns[3].no_wrap = True  # better a narrow reason than a broken tag
    for event in events:
        cells = (
            str(event.sequence),
            f"{event.created:%Y-%m-%d %H:%M:%S}",
            f"{event.action}, forced" if event.forced else event.action,
            event.to_tag,
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
