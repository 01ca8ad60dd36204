"""How long an undo takes, from the command to the answers: python -m benchmarks.undo --help."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.affinity import shares
from benchmarks.load import LoadFailed
from benchmarks.payloads import spread
from benchmarks.running import running
from benchmarks.swaps import WORKERS, await_version, have_two_warm, installed, server_of
from ekiben.use_cases.catalog import USE_CASES, get_use_case
from ekiben.use_cases.use_case import UseCase

ASKERS = 2 * WORKERS
"""Clients, each with a connection of its own, so that most runs ask every worker."""
PAUSE_SECONDS = 0.05
"""Between two questions of a client: the command needs the processor, too."""
QUIET_SECONDS = 0.5
"""So long nothing of the version left has come: that was its last answer."""
MOST_SECONDS = 10.0
LIMIT = 1.0


@dataclass(frozen=True)
class Undo:
    """Seconds from the start of the command to its end, and to the first answer by the
    version gone back to and the last one by the version left, both when asked for."""

    command: float
    first: float
    last: float


def measure(use_case: UseCase, repeats: int) -> Iterator[Undo]:
    """Roll back *repeats* times.

    Raises:
        EkibenError: the server did not start, or does not answer by the right version.
    """
    cpus, _ = shares()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        made = stack.enter_context(installed(use_case, home))
        (row,) = use_case.encoding.rows_of(spread(made.table.frame, 1))
        server = server_of(home, use_case)
        one = stack.enter_context(running(server, cpus, home / "server.log"))
        url = f"{one.url}/v1/{use_case.name}/predict"
        have_two_warm(made, url, row)
        before, after = (version.card.tag for version in made.versions[:2])
        for _ in range(repeats):
            made.promote(made.versions[1])
            await_version(url, row, after)
            yield undo(use_case.name, home, url, row, to=before)


def undo(use_case: str, home: Path, url: str, row: dict[str, Any], *, to: str) -> Undo:
    """Run `ekiben rollback`, asking all the while.

    Raises:
        LoadFailed: the version before does not answer, or a request failed.
    """
    command = (sys.executable, "-m", "ekiben", "rollback", use_case, "--json")
    environment = {**os.environ, "BENTOML_HOME": str(home)}
    with ThreadPoolExecutor(ASKERS) as pool, ExitStack() as stack:
        # Opened before the clock starts: to make one takes a while of a processor.
        clients = [stack.enter_context(httpx.Client()) for _ in range(ASKERS)]
        start = time.monotonic()
        asked = [pool.submit(ask, one, url, row, to, start) for one in clients]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        took = time.monotonic() - start
        seen = [one for found in asked for one in found.result()]
    return told(took, seen, to)


Seen = tuple[float, str | None]
"""When it was asked, in seconds after the start of the command, and which version answered."""


def told(command: float, seen: Sequence[Seen], to: str) -> Undo:
    """Return what the answers of all clients say; *to* is the version gone back to.

    Raises:
        LoadFailed: it has not answered.
    """
    right = [at for at, tag in seen if tag == to]
    if not right:
        raise LoadFailed(f"{to} does not answer after {MOST_SECONDS:g} s")
    return Undo(command, min(right), max(at for at, tag in seen if tag != to))


def ask(
    client: httpx.Client, url: str, row: dict[str, Any], to: str, start: float
) -> list[Seen]:
    """Ask until *to* has answered for a while; return when, and which version it was."""
    seen: list[Seen] = []
    settled = start + MOST_SECONDS
    while (now := time.monotonic()) < settled:
        answer = client.post(url, json={"rows": [row]})
        if answer.status_code != 200:
            raise LoadFailed(f"{answer.status_code}: {answer.text}")
        tag = answer.headers.get("x-model")
        if tag == to and (not seen or seen[-1][1] != to):
            settled = now + QUIET_SECONDS
        seen.append((now - start, tag))
        time.sleep(PAUSE_SECONDS)
    return seen


def show(console: Console, undone: Sequence[Undo]) -> None:
    """Print the figures."""
    sheet = Table(caption=machine.one_line(machine.facts()))
    for column in ("seconds after the start of the command", "least", "median", "most"):
        sheet.add_column(column)
    for title, values in (
        ("it ends", [one.command for one in undone]),
        ("first answer by the version before", [one.first for one in undone]),
        ("last answer by the version left", [one.last for one in undone]),
    ):
        figures = (min(values), median(values), max(values))
        sheet.add_row(title, *(f"{one:.2f}" for one in figures))
    console.print(sheet)


def main() -> int:
    """Measure and show; with --check, 1 when the median undo takes too long."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.undo", description=__doc__
    )
    names = [one.name for one in USE_CASES]
    parser.add_argument("--use-case", choices=names, default="iris")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument(
        "--check",
        action="store_true",
        help=f"exit with 1 when the median of the last answers is above {LIMIT:g} s",
    )
    options = parser.parse_args()
    undone = list(measure(get_use_case(options.use_case), options.repeats))
    show(Console(), undone)
    late = median(one.last for one in undone) > LIMIT
    return 1 if options.check and late else 0


if __name__ == "__main__":
    sys.exit(main())
