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

from ekiben.cli.data import cache_of
from ekiben.datasets import load
from ekiben.errors import UnknownUseCase
from ekiben.registry.aliases import Production
from ekiben.registry.manifest import Manifest
from ekiben.registry.store import Store
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
Promote = Annotated[bool, typer.Option(help="Make each version production.")]
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
        production = Production.at(settings.home)
        chosen = [one for one in chosen if production.find(one.name) is None]
    done = []
    for number, use_case in enumerate(chosen):
        with _bar(f"training {use_case.name}", number, len(chosen)):
            manifest = _train(use_case, settings, data, promote=promote)
        done.append(_facts(manifest, promoted=promote))
        if not as_json:
            typer.echo(_line(done[-1]))
    if as_json:
        typer.echo(json.dumps(done, indent=2))


def _named(names: Sequence[str]) -> list[UseCase]:
    try:
        return [get_use_case(name) for name in dict.fromkeys(names)]
    except UnknownUseCase as error:
        raise typer.BadParameter(str(error)) from None


def _train(
    use_case: UseCase, settings: Settings, data: Path | None, *, promote: bool
) -> Manifest:
    table = load(
        use_case.dataset,
        path=data,
        data_dir=settings.data_dir,
        cache=cache_of(settings),
        offline=settings.offline,
    )
    manifest = train_version(
        use_case,
        table,
        Store.at(settings.home),
        now=lambda: datetime.now(UTC),
        clock=time.perf_counter,
    )
    if promote:
        Production.at(settings.home).move(
            use_case.name, manifest.card.tag, manifest.digest, datetime.now(UTC)
        )
    return manifest


@contextmanager
def _bar(what: str, done: int, total: int) -> Iterator[None]:
    """Show a progress bar meanwhile, if the error stream is a terminal."""
    console = Console(stderr=True)
    hidden = not console.is_terminal
    with Progress(console=console, transient=True, disable=hidden) as progress:
        progress.add_task(what, completed=done, total=total)
        yield


def _facts(manifest: Manifest, *, promoted: bool) -> dict[str, Any]:
    card = manifest.card
    return {
        "tag": card.tag,
        "use_case": card.use_case,
        "promoted": promoted,
        "data": card.data.model_dump(),
        "training_seconds": card.training_seconds,
        "decision": card.decision,
        "metrics": {
            name: metric.model_dump()
            for name, metric in card.evaluation.overall.items()
        },
    }


def _line(facts: dict[str, Any]) -> str:
    """Say tag, metrics, the main one with its interval, and data in one line."""
    figures = [f"{name} {m['value']:.4f}" for name, m in facts["metrics"].items()]
    if figures:
        main = next(iter(facts["metrics"].values()))
        figures[0] += f" [{main['low']:.4f}, {main['high']:.4f}]"
    data = facts["data"]
    words = [facts["tag"], *figures, f"{data['kind']} data, {data['rows']} rows"]
    if facts["promoted"]:
        words.append("production")
    return "  ".join(words)
