"""The window of the prediction log that a command reads, and a bar of how far it is."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from ekiben.cli.history import read_time
from ekiben.monitoring.records import Logged, Observed

Pair = tuple[Logged, Observed | None]

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
AGE = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
EVERY = 100
"""Rows from one move of the bar to the next."""


def read_since(text: str) -> datetime:
    """Read an age such as 30d, 12h or 45m, or an ISO 8601 time; without an offset it is UTC."""
    now = datetime.now(UTC)
    age = AGE.fullmatch(text)
    try:
        since = (
            now - timedelta(**{UNITS[age[2]]: int(age[1])}) if age else read_time(text)
        )
    except (typer.BadParameter, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is neither an age such as 30d, 12h or 45m nor an ISO 8601 time"
        ) from None
    if since >= now:
        raise typer.BadParameter(f"{text!r} is not in the past")
    return since


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
