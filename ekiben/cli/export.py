"""`ekiben export`: logged predictions as a Parquet file."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from ekiben.cli.catalogue import UseCaseName
from ekiben.cli.setting import AsJson
from ekiben.cli.window import Since, read_moment
from ekiben.monitoring.export import export
from ekiben.monitoring.records import EPOCH
from ekiben.monitoring.store import PredictionStore
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case

Until = Annotated[
    datetime | None,
    typer.Option(
        parser=read_moment,
        metavar="AGE",
        help="Up to when, the same forms. None: now.",
    ),
]


def export_command(
    use_case: UseCaseName,
    file: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    since: Since = None,
    until: Until = None,
    tag: Annotated[str | None, typer.Option(help="Only this version's.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite the file if it is there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write logged predictions, with feedback where there is some, to a Parquet file."""
    chosen = get_use_case(use_case)
    first = since or EPOCH
    last = until or datetime.now(UTC) + timedelta(seconds=1)
    if last < first:
        raise typer.BadParameter("--until lies before --since")
    settings = Settings.from_env()
    with (
        PredictionStore.opened(settings.log_url) as store,
        Progress(console=Console(stderr=True), transient=True) as bar,
    ):
        total = store.count(use_case, since=first, until=last)
        task = bar.add_task(f"{total:,} predictions", total=total)
        rows = export(
            store, chosen, file, since=first, until=last, tag=tag, force=force,
            progress=lambda count: bar.advance(task, count),
        )  # fmt: skip
    if as_json:
        facts = {"use_case": use_case, "rows": rows, "file": str(file)}
        typer.echo(json.dumps(facts, indent=2))
    else:
        typer.echo(f"{rows:,} predictions of {use_case} written to {file}")
