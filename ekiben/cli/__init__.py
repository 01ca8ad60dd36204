"""The command line: parse, call, print."""

import sys

import typer
from rich.console import Console

from ekiben.cli import data, models, releases
from ekiben.cli.build import build_command
from ekiben.cli.train import train
from ekiben.errors import EkibenError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A production model server packaged with BentoML.",
)
app.add_typer(data.app, name="data")
app.command("train")(train)
app.command()(models.models)
app.command()(models.show)
app.command()(releases.promote)
app.command()(releases.rollback)
app.command()(releases.history)
app.command()(releases.verify)
app.command()(models.prune)
app.command("build")(build_command)


def main() -> None:
    """Run the command line; exit 0 done, 1 refused in one line, 2 wrong usage."""
    try:
        app()
    except EkibenError as error:
        Console(stderr=True, soft_wrap=True).print(
            f"ekiben: {error}", style="red", markup=False, highlight=False
        )
        sys.exit(1)
