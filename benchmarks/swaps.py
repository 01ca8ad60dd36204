"""What a swap of versions costs the clients: python -m benchmarks.swaps --help.

p99 at 32 connections in three kinds of windows, which take turns so that drift of the
machine hits all alike: nothing moves; production goes to and fro between two versions
that are loaded; each version has to be loaded first, beside the one that answers.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table as Sheet

from benchmarks import body_file, machine
from benchmarks.affinity import shares
from benchmarks.homes import promote, trained
from benchmarks.load import (
    INSTALL_WRK,
    Destination,
    Figures,
    LoadFailed,
    client_name,
    put,
)
from benchmarks.payloads import BODIES, bodies, spread
from benchmarks.running import running
from benchmarks.servers import SERVERS, Server
from ekiben.datasets import Table, load
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Grounds
from ekiben.registry.manifest import Manifest
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case
from ekiben.use_cases.use_case import UseCase

CONNECTIONS = 32
WORKERS = 2
VERSIONS = 3
BETWEEN_MOVES = 0.35
"""A move takes effect after 0.1 s; one that comes sooner would only replace it."""
BETWEEN_LOADS = 4.0
LOAD_SECONDS = 60.0
MOST = 2.0
"""How many times the steady p99 that of a window with swaps may be."""
KINDS = ("steady", "swaps", "loads")


@dataclass(frozen=True)
class Window:
    """One measured window: what kind, what the client saw, how often production moved."""

    use_case: str
    kind: str
    figures: Figures
    moves: int


@dataclass
class Windows:
    """All windows of a run."""

    all: list[Window] = field(default_factory=list)

    def of(self, use_case: str, kind: str) -> list[Window]:
        """Return the windows of one kind."""
        return [one for one in self.all if (one.use_case, one.kind) == (use_case, kind)]

    def p99(self, use_case: str, kind: str) -> float:
        """Return the median p99 of one kind's windows, in milliseconds."""
        return median(one.figures.p99_ms for one in self.of(use_case, kind))

    def ratio(self, use_case: str, kind: str) -> float:
        """Return the median, over the turns, of that p99 against the steady one."""
        pairs = zip(self.of(use_case, kind), self.of(use_case, "steady"), strict=True)
        return median(one.figures.p99_ms / base.figures.p99_ms for one, base in pairs)

    def failures(self, use_case: str) -> int:
        """Return how many requests were not answered with 2xx."""
        return sum(
            one.figures.non_2xx + one.figures.broken
            for one in self.all
            if one.use_case == use_case
        )


@dataclass(frozen=True)
class Installation:
    """A store of its own with some versions of one use case, and its ledger."""

    use_case: UseCase
    table: Table
    versions: Sequence[Manifest]
    ledger: LedgerDatabase

    def promote(self, version: Manifest) -> None:
        """Move production, no gates asked."""
        promote(self.ledger, self.use_case.name, version)

    def roll_back(self) -> None:
        """Go back to the version before."""
        name = self.use_case.name
        self.ledger.append(
            name,
            lambda found: found.rollback(
                name,
                Grounds(actor="benchmark"),
                seen=found.last(name),
                at=datetime.now(UTC),
            ),
        )

    def to_and_fro(self) -> Iterator[Callable[[], None]]:
        """Yield promotions and rollbacks by turns."""
        while True:
            yield lambda: self.promote(self.versions[1])
            yield self.roll_back

    def one_after_the_other(self) -> Iterator[Callable[[], None]]:
        """Yield promotions of versions that are not loaded: always the one before last."""
        while True:
            yield lambda: self.promote(self.versions[self.turn() - 1])

    def turn(self) -> int:
        """Return the place of the version that is production."""
        production = self.ledger.ledger().production(self.use_case.name)
        tags = [one.card.tag for one in self.versions]
        return tags.index(production.tag) if production else 0


@contextmanager
def installed(use_case: UseCase, home: Path) -> Iterator[Installation]:
    """Train versions on the sample into *home*, and promote the first."""
    table = load(use_case.dataset, cache=home, offline=True)
    versions = [trained(use_case, home, seed) for seed in range(VERSIONS)]
    with LedgerDatabase.opened(Settings(home=home).ledger_url) as ledger:
        made = Installation(use_case, table, versions, ledger)
        made.promote(versions[0])
        yield made


@contextmanager
def moving(moves: Iterator[Callable[[], None]], pause: float) -> Iterator[list[int]]:
    """Make a move every *pause* seconds during a `with` block; yield the list of counts."""
    stop, counts = threading.Event(), [0]

    def go() -> None:
        while not stop.wait(pause):
            next(moves)()
            counts[0] += 1

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield counts
    finally:
        stop.set()
        thread.join()


def server_of(home: Path, use_case: UseCase) -> Server:
    """Return Ekiben with two workers, serving one use case from *home*."""
    ekiben = next(one for one in SERVERS if one.name == "ekiben")
    environment = {
        "BENTOML_HOME": str(home),
        "EKIBEN_MODELS": use_case.name,
        "BENTOML_CONFIG_OPTIONS": f"services.ekiben.workers={WORKERS}",
    }
    return Server(ekiben.name, ekiben.title, ekiben.arguments, environment)


def measure(use_case: UseCase, seconds: float, repeats: int) -> Iterator[Window]:
    """Measure every kind of window, *repeats* times.

    Raises:
        EkibenError: the server did not start, or the client failed.
    """
    cpus, client_cpus = shares()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        made = stack.enter_context(installed(use_case, home))
        rows = use_case.encoding.rows_of(spread(made.table.frame, BODIES))
        file = home / "bodies.jsonl"
        body_file.write(file, bodies(rows, 1))
        server = server_of(home, use_case)
        one = stack.enter_context(running(server, cpus, home / "server.log"))
        url = f"{one.url}/v1/{use_case.name}/predict"
        to = Destination(url, file, client_cpus)
        put(to, CONNECTIONS, 2)
        for _ in range(repeats):
            for kind in KINDS:
                with ExitStack() as window:
                    counts = [0]
                    if kind == "swaps":
                        have_two_warm(made, url, rows[0])
                        moves = moving(made.to_and_fro(), BETWEEN_MOVES)
                        counts = window.enter_context(moves)
                    if kind == "loads":
                        moves = moving(made.one_after_the_other(), BETWEEN_LOADS)
                        counts = window.enter_context(moves)
                    figures = put(to, CONNECTIONS, seconds)
                yield Window(use_case.name, kind, figures, counts[0])


def have_two_warm(made: Installation, url: str, row: dict[str, Any]) -> None:
    """Have the first version answer, and the second one loaded."""
    for version in made.versions[:2]:
        if made.turn() != made.versions.index(version):
            made.promote(version)
        await_version(url, row, version.card.tag)
    made.roll_back()
    await_version(url, row, made.versions[0].card.tag)


def await_version(url: str, row: dict[str, Any], tag: str) -> None:
    """Wait until all workers answer by *tag*; each new connection may meet another.

    Raises:
        LoadFailed: it took too long.
    """
    end = time.monotonic() + LOAD_SECONDS
    while time.monotonic() < end:
        answers = [httpx.post(url, json={"rows": [row]}) for _ in range(10 * WORKERS)]
        if {one.headers.get("x-model") for one in answers} == {tag}:
            return
        time.sleep(0.2)
    raise LoadFailed(f"{tag} does not answer after {LOAD_SECONDS:g} s")


def show(console: Console, windows: Windows, names: Sequence[str]) -> None:
    """Print the figures."""
    sheet = Sheet(title=machine.one_line(machine.facts()))
    for column in ("model", "window", "moves", "req/s", "p50 ms", "p99 ms", "ratio"):
        sheet.add_column(column)
    for name in names:
        for kind in KINDS:
            found = windows.of(name, kind)
            sheet.add_row(
                name,
                kind,
                str(sum(one.moves for one in found)),
                f"{median(one.figures.answered for one in found):,.0f}",
                f"{median(one.figures.p50_ms for one in found):.2f}",
                f"{windows.p99(name, kind):.2f}",
                f"{windows.ratio(name, kind):.2f}",
            )
    console.print(sheet)
    for name in names:
        console.print(f"{name}: {windows.failures(name)} failed requests")


def within(windows: Windows, names: Sequence[str]) -> bool:
    """Whether no request failed and no window's p99 is above MOST times the steady one."""
    return all(
        windows.failures(name) == 0
        and all(windows.ratio(name, kind) <= MOST for kind in KINDS)
        for name in names
    )


def main(given: Sequence[str] | None = None) -> int:
    """Measure, show, check; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swaps")
    parser.add_argument("--use-case", nargs="+", default=["iris", "turnover"])
    parser.add_argument("--seconds", type=int, default=20, help="length of a window")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--check",
        action="store_true",
        help=f"exit with 1 when a request failed or a ratio is above {MOST:g}",
    )
    options = parser.parse_args(given)
    if client_name() != "wrk":
        # Our own client would be what the p99 shows.
        print(INSTALL_WRK.partition(" Python's")[0], file=sys.stderr)
        return 1
    windows = Windows()
    for name in options.use_case:
        use_case = get_use_case(name)
        windows.all.extend(measure(use_case, options.seconds, options.repeats))
    if options.json:
        raw = [{**vars(one), "figures": vars(one.figures)} for one in windows.all]
        options.json.write_text(json.dumps(raw, indent=1) + "\n")
    show(Console(), windows, options.use_case)
    return 1 if options.check and not within(windows, options.use_case) else 0


if __name__ == "__main__":
    sys.exit(main())
