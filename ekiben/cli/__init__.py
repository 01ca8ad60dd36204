"""The command line: parse, call, print."""

import sys
from importlib import import_module
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from ekiben.errors import EkibenError

COMMANDS = {
    "train": "ekiben.cli.train:train",
    "models": "ekiben.cli.models_app:app",
    "show": "ekiben.cli.models:show",
    "compare": "ekiben.cli.compare:compare_command",
    "promote": "ekiben.cli.promote:promote",
    "rollback": "ekiben.cli.rollback:rollback",
    "history": "ekiben.cli.history:history",
    "replay": "ekiben.cli.replay:replay_command",
    "retrain": "ekiben.cli.retrain:retrain_command",
    "drift": "ekiben.cli.drift:drift",
    "verify": "ekiben.cli.upkeep:verify",
    "prune": "ekiben.cli.upkeep:prune",
    "export": "ekiben.cli.export:export_command",
    "build": "ekiben.cli.build:build_command",
    "performance": "ekiben.cli.performance:performance",
    "containerize": "ekiben.cli.containerize:containerize_command",
    "deploy": "ekiben.cli.deploy:deploy",
    "undeploy": "ekiben.cli.deploy:undeploy",
    "deployments": "ekiben.cli.deploy:deployments",
    "drain": "ekiben.cli.drain:drain",
    "keys": "ekiben.cli.keys:app",
    "data": "ekiben.cli.data:app",
}
"""Every command, and where it is: a function, or an app with commands of its own."""


class Commands(TyperGroup):
    """The commands, each imported when it is asked for.

    A rollback is in a hurry, and need not wait for pandas and scikit-learn. What typer
    hands in and takes are of its own copy of click, which has no public name.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return all names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return a command, None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer()
            alone.command(cmd_name)(found)
            found = alone
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A production model server packaged with BentoML.",
)


@app.callback()
def ekiben() -> None:
    """A production model server packaged with BentoML."""


def main() -> None:
    """Run the command line; exit 0 done, 1 refused in one line, 2 wrong usage."""
    try:
        app()
    except EkibenError as error:
        Console(stderr=True, soft_wrap=True).print(
            f"ekiben: {error}", style="red", markup=False, highlight=False
        )
        sys.exit(1)
