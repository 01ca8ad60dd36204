"""`ekiben export`: logged predictions as a Parquet file."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from ekiben.cli.setting import AsJson
from ekiben.cli.since import moment_in
from ekiben.errors import InvalidDuration
from ekiben.monitoring.export import export
from ekiben.monitoring.records import EPOCH
from ekiben.monitoring.store import PredictionStore
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case

Since = Annotated[
    str | None,
    typer.Option(help="From when on: 30d, 12h, 90m, or a time. None: the beginning."),
]


def export_command(
    use_case: Annotated[str, typer.Argument(help="Whose predictions.")],
    file: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    since: Since = None,
    until: Annotated[
        str | None, typer.Option(help="Up to when, the same forms. None: now.")
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Only this version's.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite the file if it is there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write logged predictions, with feedback where there is some, to a Parquet file."""
    chosen = get_use_case(use_case)
    now = datetime.now(UTC)
    first = moment_in(since, now) if since else EPOCH
    last = moment_in(until, now) if until else now + timedelta(seconds=1)
    if last < first:
        raise InvalidDuration("--until lies before --since")
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
