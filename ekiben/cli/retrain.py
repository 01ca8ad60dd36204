"""`ekiben retrain`: the original table and what the log has learned since, to a candidate."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ekiben.cli.catalogue import UseCaseName, gates_of
from ekiben.cli.compare import print_comparison
from ekiben.cli.setting import AsJson, actor_of, tell
from ekiben.cli.train import facts_of, line_of, table_of
from ekiben.cli.window import Since, with_bar
from ekiben.errors import NothingToCompareWith, PromotionRefused
from ekiben.monitoring.store import PredictionStore
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Event
from ekiben.registry.store import Store
from ekiben.releases import promote as promote_version
from ekiben.retraining import FEWEST_LABELLED, Retrained, Window, gather, retrain
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case
from ekiben.use_cases.use_case import UseCase

DEFAULT_WINDOW = "30d"

Data = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="The original table, where it is not the one that `ekiben train` loads.",
    ),
]
Promote = Annotated[
    bool, typer.Option("--promote", help="Make it production, if it passes the gates.")
]
Fewest = Annotated[
    int,
    typer.Option(
        min=1, help="Labelled rows that are needed which the table does not have."
    ),
]


def retrain_command(
    use_case: UseCaseName,
    since: Since = DEFAULT_WINDOW,  # type: ignore[assignment]  # typer parses it
    promote: Promote = False,
    data: Data = None,
    fewest: Fewest = FEWEST_LABELLED,
    as_json: AsJson = False,
) -> None:
    """Train on the original table and the logged rows with feedback; compare with production.

    Stops before the gates, unless --promote is given. For cron and CI: ends with 1
    when there are too few labelled rows, or a gate refuses.
    """
    assert since is not None
    settings, chosen = Settings.from_env(), get_use_case(use_case)
    window = Window(since, datetime.now(UTC))
    with LedgerDatabase.opened(settings.ledger_url) as ledger:
        production = ledger.ledger().production(use_case)
        if production is None:
            raise NothingToCompareWith(use_case)
        found = _retrain(chosen, settings, window, data, fewest, production.tag)
        event, refusal = None, None
        if promote:
            event, refusal = _promote(chosen, found, settings, ledger, window)
    _tell(found, production.tag, window, event, as_json=as_json)
    if refusal:
        raise refusal


def _retrain(
    use_case: UseCase,
    settings: Settings,
    window: Window,
    data: Path | None,
    fewest: int,
    incumbent: str,
) -> Retrained:
    table = table_of(use_case, settings, data)
    with PredictionStore.opened(settings.log_url) as log:
        pairs = log.read(use_case.name, since=window.since, until=window.until)
        told = with_bar(pairs, "reading the log", window.since, window.until)
        joined, counts = gather(use_case, table, told, window, fewest=fewest)
    with _working(f"training {use_case.name}, comparing"):
        return retrain(
            use_case,
            joined,
            counts,
            incumbent,
            Store.at(settings.home),
            now=lambda: datetime.now(UTC),
            clock=time.perf_counter,
        )


def _promote(
    use_case: UseCase,
    found: Retrained,
    settings: Settings,
    ledger: LedgerDatabase,
    window: Window,
) -> tuple[Event | None, PromotionRefused | None]:
    """Promote the candidate, or return why the gates refused it."""
    store = Store.at(settings.home)
    with _working("asking the gates"):
        try:
            event = promote_version(
                use_case.name,
                found.manifest.card.tag,
                store=store,
                ledger=ledger,
                gates=gates_of(use_case, store, settings),
                actor=actor_of(settings),
                reason=f"retrained on {found.counts.added} logged rows, {window}",
                lead=settings.promote_lead,
            )
        except PromotionRefused as refusal:
            return None, refusal
    return event, None


def _tell(
    found: Retrained,
    incumbent: str,
    window: Window,
    event: Event | None,
    *,
    as_json: bool,
) -> None:
    facts = facts_of(found.manifest, promoted=event is not None)
    if as_json:
        document = _document(found, incumbent, window, event, facts)
        typer.echo(json.dumps(document, indent=2))
        return
    typer.echo(f"{window}: {found.counts}")
    typer.echo(line_of(facts))
    print_comparison(found.comparison, Console())
    if event:
        tell(event, as_json=False)


def _document(
    found: Retrained,
    incumbent: str,
    window: Window,
    event: Event | None,
    facts: dict[str, Any],
) -> dict[str, Any]:
    return {
        **facts,
        "incumbent": incumbent,
        "since": window.since.isoformat(),
        "until": window.until.isoformat(),
        "log": vars(found.counts),
        "comparison": found.comparison.model_dump(mode="json"),
        "event": event.document() if event else None,
    }


@contextmanager
def _working(what: str) -> Iterator[None]:
    """Show that something is under way, if the error stream is a terminal."""
    with Console(stderr=True).status(what):
        yield
