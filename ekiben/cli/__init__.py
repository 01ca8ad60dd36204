"""The command line: parse, call, print."""

import sys

import typer
from rich.console import Console

from ekiben.cli import data
from ekiben.cli.build import build_command
from ekiben.cli.compare import compare_command
from ekiben.cli.train import train
from ekiben.errors import EkibenError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A production model server packaged with BentoML.",
)
app.add_typer(data.app, name="data")
app.command("train")(train)
app.command("build")(build_command)
app.command("compare")(compare_command)


def main() -> None:
    """Run the command line; exit 0 done, 1 refused in one line, 2 wrong usage."""
    try:
        app()
    except EkibenError as error:
        Console(stderr=True, soft_wrap=True).print(
            f"ekiben: {error}", style="red", markup=False, highlight=False
        )
        sys.exit(1)
