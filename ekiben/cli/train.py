"""`ekiben train`: load, validate, split, fit, evaluate, register; promote if asked to."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from ekiben.cli.catalogue import gates_of
from ekiben.cli.data import cache_of
from ekiben.cli.setting import actor_of
from ekiben.datasets import Table, load
from ekiben.errors import EkibenError, PromotionRefused, UnknownUseCase
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.manifest import Manifest
from ekiben.registry.store import Store
from ekiben.releases import promote as promote_version
from ekiben.settings import Settings
from ekiben.training import train as train_version
from ekiben.use_cases.catalog import USE_CASES, get_use_case
from ekiben.use_cases.use_case import UseCase

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[USE_CASE]...", help="What to train. None: EKIBEN_MODELS, or all."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="A table for the one USE_CASE."),
]
Promote = Annotated[
    bool, typer.Option(help="Make each version that passes the gates production.")
]
Missing = Annotated[bool, typer.Option(help="Skip what has a production version.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def train(
    names: Names = None,
    data: Data = None,
    promote: Promote = False,
    missing: Missing = False,
    as_json: AsJson = False,
) -> None:
    """Train use cases and register a version of each; one line per version."""
    if data and len(names or ()) != 1:
        raise typer.BadParameter("--data needs exactly one USE_CASE")
    asked = _named(names) if names else None
    settings = Settings.from_env()
    chosen = asked or [get_use_case(name) for name in settings.models] or USE_CASES
    if missing:
        chosen = _without_production(chosen, settings)
    done: list[dict[str, Any]] = []
    refused: list[PromotionRefused] = []
    for number, use_case in enumerate(chosen):
        with _bar(f"training {use_case.name}", number, len(chosen)):
            manifest = _train(use_case, settings, data)
            refusal = _promote(use_case, manifest, settings) if promote else None
        refused += [refusal] if refusal else []
        done.append(facts_of(manifest, promoted=promote and refusal is None))
        if not as_json:
            typer.echo(line_of(done[-1]))
    if as_json:
        typer.echo(json.dumps(done, indent=2))
    if refused:
        raise EkibenError("; ".join(str(one) for one in refused))


def _without_production(
    use_cases: Sequence[UseCase], settings: Settings
) -> list[UseCase]:
    with LedgerDatabase.opened(settings.ledger_url) as database:
        ledger = database.ledger()
    return [one for one in use_cases if ledger.production(one.name) is None]


def _named(names: Sequence[str]) -> list[UseCase]:
    try:
        return [get_use_case(name) for name in dict.fromkeys(names)]
    except UnknownUseCase as error:
        raise typer.BadParameter(str(error)) from None


def table_of(use_case: UseCase, settings: Settings, data: Path | None) -> Table:
    """Load the table that the settings say, or the file *data*."""
    return load(
        use_case.dataset,
        path=data,
        data_dir=settings.data_dir,
        cache=cache_of(settings),
        offline=settings.offline,
    )


def _train(use_case: UseCase, settings: Settings, data: Path | None) -> Manifest:
    return train_version(
        use_case,
        table_of(use_case, settings, data),
        Store.at(settings.home),
        now=lambda: datetime.now(UTC),
        clock=time.perf_counter,
    )


def _promote(
    use_case: UseCase, manifest: Manifest, settings: Settings
) -> PromotionRefused | None:
    """Promote what was just trained, or return why the gates refused it."""
    store = Store.at(settings.home)
    with LedgerDatabase.opened(settings.ledger_url) as ledger:
        try:
            promote_version(
                use_case.name,
                manifest.card.tag,
                store=store,
                ledger=ledger,
                gates=gates_of(use_case, store, settings),
                actor=actor_of(settings),
                reason="promoted by train",
                lead=settings.promote_lead,
            )
        except PromotionRefused as error:
            return error
    return None


@contextmanager
def _bar(what: str, done: int, total: int) -> Iterator[None]:
    """Show a progress bar meanwhile, if the error stream is a terminal."""
    console = Console(stderr=True)
    hidden = not console.is_terminal
    with Progress(console=console, transient=True, disable=hidden) as progress:
        progress.add_task(what, completed=done, total=total)
        yield


def facts_of(manifest: Manifest, *, promoted: bool) -> dict[str, Any]:
    """Return what is told of a version that was just trained."""
    card = manifest.card
    return {
        "tag": card.tag,
        "use_case": card.use_case,
        "promoted": promoted,
        "data": card.data.model_dump(),
        "training_seconds": card.training_seconds,
        "decision": card.decision,
        "compiled": card.compiled.model_dump() if card.compiled else None,
        "metrics": {
            name: metric.model_dump()
            for name, metric in card.evaluation.overall.items()
        },
    }


def line_of(facts: dict[str, Any]) -> str:
    """Say tag, metrics, the main one with its interval, and data in one line."""
    figures = [f"{name} {m['value']:.4f}" for name, m in facts["metrics"].items()]
    if figures:
        main = next(iter(facts["metrics"].values()))
        figures[0] += f" [{main['low']:.4f}, {main['high']:.4f}]"
    data = facts["data"]
    words = [facts["tag"], *figures, f"{data['kind']} data, {data['rows']} rows"]
    compiled = facts["compiled"]
    if compiled and compiled["serves"] == "native":
        words.append(f"not compiled: {compiled['reason']}")
    if facts["promoted"]:
        words.append("production")
    return "  ".join(words)
