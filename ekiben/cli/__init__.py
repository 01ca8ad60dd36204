"""The command line: parse, call, print."""

import gc
import sys
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from ekiben.errors import EkibenError


class Place(NamedTuple):
    """Where a command is, a function or an app with commands of its own, and what it does."""

    name: str
    help: str


COMMANDS = {
    "train": Place(
        "ekiben.cli.train:train",
        "Train use cases and register a version of each; one line per version.",
    ),
    "models": Place(
        "ekiben.cli.models_app:app",
        "List the versions with time, metrics, alias and size; push or pull one.",
    ),
    "show": Place(
        "ekiben.cli.models:show",
        "Print the model card of a version whose files are all as they were registered.",
    ),
    "compare": Place(
        "ekiben.cli.compare:compare_command",
        "Compare version B with version A on the rows that B was tested on.",
    ),
    "promote": Place(
        "ekiben.cli.promote:promote",
        "Make a version production, if it passes the gates.",
    ),
    "rollback": Place(
        "ekiben.cli.rollback:rollback",
        "Make the previous production version production again, at once.",
    ),
    "history": Place(
        "ekiben.cli.history:history",
        "Print the ledger: who moved what, when and why; or what was live at a time.",
    ),
    "replay": Place(
        "ekiben.cli.replay:replay_command",
        "Ask logged rows again: the answers are identical, or the cause is named.",
    ),
    "retrain": Place(
        "ekiben.cli.retrain:retrain_command",
        "Train on the original table and the logged rows with feedback; compare with production.",
    ),
    "drift": Place(
        "ekiben.cli.drift:drift",
        "Compare what production was asked, in the last 7 days or --since, with the rows it was made from.",
    ),
    "verify": Place(
        "ekiben.cli.upkeep:verify",
        "Check the ledger's chain and every version; name what is not sound.",
    ),
    "prune": Place(
        "ekiben.cli.upkeep:prune",
        "Remove logged predictions older than EKIBEN_LOG_DAYS, and versions that are neither aliased, nor a rollback away, nor new, nor answered anything the log still holds.",
    ),
    "export": Place(
        "ekiben.cli.export:export_command",
        "Write logged predictions, with feedback where there is some, to a Parquet file.",
    ),
    "build": Place(
        "ekiben.cli.build:build_command",
        "Build a Bento that holds the production versions under their exact tags.",
    ),
    "performance": Place(
        "ekiben.cli.performance:performance",
        "Compare live metrics of every version, from the last 30 days or --since, with those on its test rows.",
    ),
    "containerize": Place(
        "ekiben.cli.containerize:containerize_command",
        "Build an image of a Bento, by the locked wheels and nothing else.",
    ),
    "deploy": Place(
        "ekiben.cli.deploy:deploy",
        "Run a Bento behind a balancer, or replace what runs there, one replica at a time.",
    ),
    "undeploy": Place(
        "ekiben.cli.deploy:undeploy",
        "End the balancer and all replicas; requests in flight are answered.",
    ),
    "deployments": Place(
        "ekiben.cli.deploy:deployments",
        "List what is deployed on this host: Bento, image, models, replicas, since when.",
    ),
    "drain": Place(
        "ekiben.cli.drain:drain",
        "Turn a server's /readyz red and wait, while it serves on: for a preStop hook.",
    ),
    "keys": Place("ekiben.cli.keys:app", "Create, list, rotate and revoke API keys."),
    "data": Place(
        "ekiben.cli.data:app",
        "Show where each data set would come from now, or download them.",
    ),
}
"""Every command; that `--help` need not import it, its first words are here, too."""


class Commands(TyperGroup):
    """The commands, each imported when it is asked for.

    A rollback is in a hurry, and need not wait for pandas and scikit-learn. What typer
    hands in and takes are of its own copy of click, which has no public name.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return all names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return what lists a command, None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name].help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the name of the command to run, the command, and what is left of *args*."""
        name, found, left = super().resolve_command(ctx, args)
        return name, imported(name) if name else found, left


def imported(name: str) -> Any:
    """Import and return the command of this *name*."""
    module, _, attribute = COMMANDS[name].name.partition(":")
    # Nothing is garbage while modules are made; to look for it takes a tenth of the time.
    gc.disable()
    try:
        found = getattr(import_module(module), attribute)
    finally:
        gc.enable()
    if not isinstance(found, typer.Typer):
        alone = typer.Typer()
        alone.command(name)(found)
        found = alone
    command = typer.main.get_command(found)
    command.name = name
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
        # Imported late: most commands have nothing to say in colour.
        from rich.console import Console

        Console(stderr=True, soft_wrap=True).print(
            f"ekiben: {error}", style="red", markup=False, highlight=False
        )
        sys.exit(1)
