"""`ekiben models [USE_CASE]`, and `ekiben models push` and `pull` beside it."""

from typing import Any

import typer
from typer.core import TyperGroup

from ekiben.cli.exchange import pull_command, push_command
from ekiben.cli.models import models

LIST = "list"


class Listing(TyperGroup):
    """A group whose first word may be a use case: then, and without one, it lists.

    No use case is named as a command is; a test sees to it. What typer hands in is of
    its own copy of click, which has no public name.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Put `list` before what is no command and no request for help."""
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [LIST, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=Listing,
    add_completion=False,
    subcommand_metavar="[USE_CASE] | push TAG URL | pull TAG URL",
    help="List the versions with time, metrics, alias and size; push or pull one.",
)
app.command(LIST)(models)
app.command("push")(push_command)
app.command("pull")(pull_command)
