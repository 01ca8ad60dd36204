"""`ekiben models` and `show`: the versions in the store."""

import json
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from ekiben.cli.catalogue import OneOrAll, known, names
from ekiben.cli.setting import AsJson
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.ledger import PRODUCTION, Ledger
from ekiben.registry.store import Store
from ekiben.releases import resolve
from ekiben.schemas.model_card import Metric, ModelCard
from ekiben.settings import Settings

Tag = Annotated[str, typer.Argument(help="name:version; a prefix of it will do.")]


def models(use_case: OneOrAll = None, as_json: AsJson = False) -> None:
    """List the versions with time, metrics, alias and size."""
    settings = Settings.from_env()
    store = Store.at(settings.home)
    with LedgerDatabase.opened(settings.ledger_url) as database:
        ledger = database.ledger()
    found = [
        (store.manifest(tag), aliases(ledger, name, tag))
        for name in names(use_case)
        for tag in store.tags(name)
    ]
    if as_json:
        facts = [
            {
                "tag": manifest.card.tag,
                "trained_at": manifest.card.trained_at.isoformat(),
                "data": manifest.card.data.kind,
                "metrics": _dumped(manifest.card.evaluation.overall),
                "aliases": pointing,
                "bytes": manifest.bytes,
                "digest": manifest.digest,
            }
            for manifest, pointing in found
        ]
        typer.echo(json.dumps(facts, indent=2))
        return
    columns = ("version", "trained (UTC)", "metrics", "size")
    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for manifest, pointing in found:
        card = manifest.card
        table.add_row(
            "\n".join([card.tag, *pointing]),
            f"{card.trained_at:%Y-%m-%d %H:%M}\n{card.data.kind} data",
            _figures(card.evaluation.overall),
            decimal(manifest.bytes),
        )
    for column in table.columns:
        column.overflow = "fold"
    # Where the terminal is narrow the time gives way: a tag is there to be copied.
    table.columns[0].no_wrap = table.columns[2].no_wrap = True
    Console().print(table)


def show(tag: Tag, as_json: AsJson = False) -> None:
    """Print the model card of a version whose files are all as they were registered."""
    settings = Settings.from_env()
    store = Store.at(settings.home)
    use_case, _, version = tag.partition(":")
    full = resolve(known(use_case), version, store.entries(use_case))
    manifest = store.verify(full)
    with LedgerDatabase.opened(settings.ledger_url) as database:
        ledger = database.ledger()
    pointing = aliases(ledger, use_case, full)
    if as_json:
        facts = manifest.card.model_dump(mode="json")
        facts |= {"digest": manifest.digest, "aliases": pointing}
        typer.echo(json.dumps(facts, indent=2))
        return
    _print_card(manifest.card, manifest.digest, pointing)


def aliases(ledger: Ledger, use_case: str, tag: str) -> list[str]:
    """Return what points at *tag*: production, or previous."""
    production = ledger.production(use_case)
    if production is None:
        return []
    pointing = {PRODUCTION: production.tag, "previous": production.previous}
    return [alias for alias, pointed in pointing.items() if pointed == tag]


def _dumped(metrics: dict[str, Metric]) -> dict[str, dict[str, float]]:
    return {name: metric.model_dump() for name, metric in metrics.items()}


def _figures(metrics: dict[str, Metric]) -> str:
    return "\n".join(f"{name} {metric.value:.4f}" for name, metric in metrics.items())


def _print_card(card: ModelCard, digest: str, pointing: list[str]) -> None:
    table = Table(title=card.tag, title_justify="left", show_header=False)
    data = card.data
    libraries = [f"{name} {version}" for name, version in card.libraries.items()]
    metrics = [
        f"{name} {metric.value:.4f} [{metric.low:.4f}, {metric.high:.4f}]"
        for name, metric in card.evaluation.overall.items()
    ]
    decision = [f"{name} {value:.4g}" for name, value in card.decision.items()]
    lines = {
        "alias": ", ".join(pointing) or "none",
        "trained": f"{card.trained_at:%Y-%m-%d %H:%M:%S} UTC "
        f"in {card.training_seconds:.1f} s",
        "data": f"{data.source} ({data.kind}), {data.rows} rows",
        "data sha256": data.sha256,
        "metrics": "\n".join(metrics),
        "decision": "\n".join(decision),
        "libraries": "\n".join(libraries),
        "schema": card.schema_sha256,
        "digest": digest,
    }
    for name, value in lines.items():
        table.add_row(name, value)
    table.columns[1].overflow = "fold"
    Console().print(table, markup=False)
