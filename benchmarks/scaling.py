"""What a request costs beside many versions and a long log: python -m benchmarks.scaling --help.

Three servers side by side: one with a version of each use case; one whose store holds a
hundred versions, of which it has loaded as many as a worker ever has, two of each use
case; and one whose prediction log holds ten million rows.
"""

import argparse
import json
import shutil
import sqlite3
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import body_file, machine
from benchmarks.homes import promote, trained
from benchmarks.payloads import BODIES, bodies, table_rows
from benchmarks.servers import BENTOML, Server
from benchmarks.side_by_side import Load, Rounds, answered, cost, p50, p99, take
from ekiben.monitoring.store import PredictionStore
from ekiben.predictor import load_predictor
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.store import Store
from ekiben.settings import Settings
from ekiben.use_cases.catalog import USE_CASES, get_use_case
from ekiben.use_cases.use_case import UseCase

FEW = "few"
TITLES = {
    FEW: "one version of each, empty log",
    "versions": "many versions, two of each loaded",
    "log": "a long log",
}
LOGGED_DAYS = 7
MOST = 1.1
"""How many times the processor time, and the p50, of the first one."""
FILL = """
WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < :rows)
INSERT INTO request (
    key, use_case, tag, at, first, rows, batch_rows, seconds, request_id, caller,
    asked, answered
)
SELECT printf('%012x7%03x8%012x', (:begin + n * :step) / 1000, n % 4096, n),
    :use_case, :tag, :begin + n * :step, 0, 1, 1, 0.0001, printf('%032x', n), '',
    :asked, :answered
FROM number
"""


def add_version(use_case: UseCase, home: Path, seed: int, *, production: bool) -> None:
    """Train a version on the sample into *home*."""
    made = trained(use_case, home, seed)
    if production:
        with LedgerDatabase.opened(Settings(home=home).ledger_url) as ledger:
            promote(ledger, use_case.name, made)


def fill_log(home: Path, use_case: UseCase, rows: int) -> None:
    """Write *rows* rows of the days before now into the log, as SQLite makes them fastest."""
    settings, store = Settings(home=home), Store.at(home)
    (tag,) = store.tags(use_case.name)
    example = use_case.examples[:1]
    (answer,) = load_predictor(store, use_case, tag).predict_raw(example)
    with PredictionStore.opened(settings.log_url):
        pass  # makes the tables
    lasting = timedelta(days=LOGGED_DAYS)
    begin = datetime.now(UTC) - lasting
    with sqlite3.connect(settings.log_url.removeprefix("sqlite:///")) as file:
        file.execute(
            FILL,
            {
                "rows": rows,
                "begin": int(begin.timestamp() * 1e6),
                "step": int(lasting.total_seconds() * 1e6 / rows),
                "use_case": use_case.name,
                "tag": tag,
                "asked": json.dumps([dict(example[0])]),
                "answered": json.dumps([answer]),
            },
        )


def make_homes(folder: Path, use_case: UseCase, options: argparse.Namespace) -> None:
    """Make a home for each server below *folder*."""
    for one in USE_CASES:
        add_version(one, folder / FEW, 0, production=True)
    for name in TITLES:
        if name != FEW:
            shutil.copytree(folder / FEW, folder / name, symlinks=True)
    for one in USE_CASES:
        add_version(one, folder / "versions", 1, production=True)
    for seed in range(2, options.versions - 2 * len(USE_CASES) + 2):
        add_version(use_case, folder / "versions", seed, production=False)
    fill_log(folder / "log", use_case, options.logged)


def measure(options: argparse.Namespace, console: Console) -> Rounds:
    """Make the homes, and load each server in turn."""
    use_case = get_use_case(options.use_case)
    with tempfile.TemporaryDirectory() as name:
        folder, homes = Path(name), Path(name) / "homes"
        with console.status("training versions and filling the log"):
            make_homes(homes, use_case, options)
        file = folder / "bodies.jsonl"
        rows = table_rows(use_case, Settings(home=homes / FEW), BODIES)
        body_file.write(file, bodies(rows, 1))
        run = Load(use_case.name, file, options.connections, options.seconds)
        servers = [
            Server(
                one,
                title,
                (*BENTOML, "service:Ekiben"),
                {"BENTOML_HOME": str(homes / one), "EKIBEN_AUTH": "off"},
            )
            for one, title in TITLES.items()
        ]
        with console.status("measuring"):
            return Rounds(list(take(servers, run, options.rounds, folder)))


def show(console: Console, rounds: Rounds) -> None:
    """Print what a request costs each server."""
    table = Table(caption=machine.one_line(machine.facts()))
    table.add_column("Ekiben with")
    titles = ("req/s", "µs a request", "p50 ms", "p99 ms", "µs, times", "p50, times")
    for title in titles:
        table.add_column(title, justify="right")
    for name, title in TITLES.items():
        table.add_row(
            title,
            f"{rounds.spread(name, answered).median:,.0f}",
            f"{rounds.spread(name, cost).median:.0f}",
            f"{rounds.spread(name, p50).median:.2f}",
            f"{rounds.spread(name, p99).median:.2f}",
            *(f"{one:.2f}" for one in ratios(rounds, name)),
        )
    console.print(table)
    console.print(f"{rounds.failures()} requests failed")


def ratios(rounds: Rounds, name: str) -> tuple[float, float]:
    """Return processor time and p50 of a request to *name*, in times of those of the first."""
    return (
        rounds.ratio(name, FEW, cost).median,
        rounds.ratio(name, FEW, p50).median,
    )


def main() -> int:
    """Measure and show; with --check, 1 when a server is slower than the first."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description=__doc__
    )
    names = [one.name for one in USE_CASES]
    parser.add_argument("--use-case", choices=names, default="iris")
    parser.add_argument("--versions", type=int, default=100, help="in the store")
    parser.add_argument("--logged", type=int, default=10_000_000, help="rows")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=2, help="of each turn")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    console = Console()
    rounds = measure(options, console)
    show(console, rounds)
    slowest = max(one for name in TITLES for one in ratios(rounds, name))
    kept = slowest <= MOST and not rounds.failures()
    return 1 if options.check and not kept else 0


if __name__ == "__main__":
    sys.exit(main())
