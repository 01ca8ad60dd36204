"""`ekiben build`: a Bento pinned to the production versions."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ekiben.packaging.build import build
from ekiben.settings import Settings
from ekiben.use_cases.catalog import USE_CASES, get_use_case


def build_command(
    use_case: Annotated[
        list[str] | None,
        typer.Option("--use-case", help="Pack only this one; may be repeated."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print facts as JSON.")
    ] = False,
) -> None:
    """Build a Bento that holds the production versions under their exact tags."""
    settings = Settings.from_env()
    names = use_case or settings.models or tuple(one.name for one in USE_CASES)
    console = Console(stderr=True)
    with console.status("building"):
        built = build(
            Path.cwd(), settings, [get_use_case(name) for name in dict.fromkeys(names)]
        )
    if as_json:
        typer.echo(json.dumps({"bento": built.tag, "models": built.pins}))
        return
    table = Table(title=built.tag, title_justify="left")
    table.add_column("use case")
    table.add_column("model")
    for name, tag in built.pins.items():
        table.add_row(name, tag)
    Console().print(table)
