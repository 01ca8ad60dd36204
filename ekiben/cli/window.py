"""The window of the prediction log that a command reads, and a bar of how far it is."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from ekiben.cli.since import moment_in
from ekiben.errors import InvalidDuration
from ekiben.monitoring.records import Logged, Observed

Pair = tuple[Logged, Observed | None]

EVERY = 100
"""Rows from one move of the bar to the next."""


def read_since(text: str) -> datetime:
    """Read an age such as 30d, 12h or 45m, or an ISO 8601 time; without an offset it is UTC."""
    since = read_moment(text)
    if since >= datetime.now(UTC):
        raise typer.BadParameter(f"{text!r} is not in the past")
    return since


def read_moment(text: str) -> datetime:
    """Read the same, of the past or not."""
    try:
        return moment_in(text, datetime.now(UTC))
    except InvalidDuration as error:
        raise typer.BadParameter(str(error)) from None


Since = Annotated[
    datetime | None,
    typer.Option(
        parser=read_since,
        metavar="AGE",
        help="All that was logged since then: 30d, 12h, 45m, or an ISO 8601 time.",
    ),
]


def with_bar(
    pairs: Iterable[Pair], what: str, since: datetime, until: datetime
) -> Iterator[Pair]:
    """Pass *pairs* on, oldest first, and show how much of the window is done, if the
    error stream is a terminal."""
    console = Console(stderr=True)
    hidden = not console.is_terminal
    with Progress(console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task(what, total=(until - since).total_seconds())
        for number, pair in enumerate(pairs):
            if number % EVERY == 0:
                done = (pair[0].at - since).total_seconds()
                progress.update(task, completed=done)
            yield pair
