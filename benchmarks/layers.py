"""What the layers around a prediction cost: python -m benchmarks.layers --help."""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import body_file, machine
from benchmarks.payloads import BODIES, bodies, table_rows
from benchmarks.results import Spread
from benchmarks.servers import BENTOML, Server
from benchmarks.side_by_side import Load, Rounds, answered, cost, p50, p99, take
from ekiben.settings import Settings
from ekiben.use_cases.catalog import USE_CASES, get_use_case

SERVICE = (*BENTOML, "service:Ekiben")
KEYS = {"EKIBEN_AUTH": "required"}
NO_KEYS = {"EKIBEN_AUTH": "off"}
NO_LOG = {"EKIBEN_LOG": "off"}
SHIPPED = Server("shipped", "as shipped", SERVICE, KEYS, asks_for_key=True)
VARIANTS = (
    SHIPPED,
    Server("no-keys", "without keys", SERVICE, NO_KEYS),
    Server("no-log", "without the log", SERVICE, KEYS | NO_LOG, asks_for_key=True),
    Server("neither", "without both", SERVICE, NO_KEYS | NO_LOG),
)
KEYS_SHARE = 0.9
"""Of the requests without keys, so many are answered with a key on each."""
LAYERS_SHARE = 2 / 3
"""So much of a request's processor time is left without keys and log."""
LOG_TIMES = 1.1
"""At a given rate, so many times the p50 of a server without the log."""


def measure(options: argparse.Namespace) -> Rounds:
    """Load each variant in turn, round after round."""
    use_case = get_use_case(options.use_case)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "bodies.jsonl"
        rows = table_rows(use_case, Settings.from_env(), BODIES)
        body_file.write(file, bodies(rows, options.rows))
        load = Load(
            use_case.name,
            file,
            options.connections,
            options.seconds,
            options.rows_a_second / options.rows,
        )
        return Rounds(list(take(VARIANTS, load, options.rounds, folder)))


def show(console: Console, rounds: Rounds) -> None:
    """Print what each variant answers and costs."""
    measured = (answered, cost, p50, p99)
    titles = ("req/s", "µs a request", "p50 ms", "p99 ms")
    table = Table(caption=machine.one_line(machine.facts()))
    table.add_column("Ekiben")
    for title in titles:
        table.add_column(title, justify="right")
    for one in VARIANTS:
        medians = [rounds.spread(one.name, figure).median for figure in measured]
        table.add_row(one.title, *map("{:,.{}f}".format, medians, (0, 0, 2, 2)))
    table.add_section()
    for one in VARIANTS[1:]:
        ratios = [rounds.ratio(SHIPPED.name, one.name, figure) for figure in measured]
        table.add_row(f"as shipped, {one.title} = 1", *map(share, ratios))
    console.print(table)
    console.print(f"{rounds.failures()} requests failed")


def share(ratio: Spread) -> str:
    """Return the median of *ratio*, and between what it lay."""
    return f"{ratio.median:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"


def kept(rounds: Rounds, *, offered: bool) -> bool:
    """Whether the layers cost no more than is promised, at a given rate or at most."""
    if offered:
        promised = rounds.ratio(SHIPPED.name, "no-log", p50).median <= LOG_TIMES
    else:
        promised = (
            rounds.ratio(SHIPPED.name, "no-keys", answered).median >= KEYS_SHARE
            and rounds.ratio("neither", SHIPPED.name, cost).median >= LAYERS_SHARE
        )
    return promised and not rounds.failures()


def main() -> int:
    """Measure and show; with --check, 1 when a promise is broken."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.layers", description=__doc__
    )
    names = [one.name for one in USE_CASES]
    parser.add_argument("--use-case", choices=names, default="iris")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rows", type=int, default=1, help="of each request")
    parser.add_argument(
        "--rows-a-second",
        type=int,
        default=0,
        help="offer so many whatever is answered; 0: as many as the connections can",
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=2, help="of each turn")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    rounds = measure(options)
    show(Console(), rounds)
    promised = kept(rounds, offered=options.rows_a_second > 0)
    return 1 if options.check and not promised else 0


if __name__ == "__main__":
    sys.exit(main())
