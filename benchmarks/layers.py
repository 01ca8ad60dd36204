"""What the layers around a prediction cost: python -m benchmarks.layers --help."""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import body_file
from benchmarks.payloads import BODIES, bodies, table_rows
from benchmarks.servers import BENTOML, Server
from benchmarks.side_by_side import Load, Rounds, answered, cost, take
from ekiben.settings import Settings
from ekiben.use_cases.catalog import USE_CASES, get_use_case

KEYS = {"EKIBEN_AUTH": "required"}
SERVICE = (*BENTOML, "service:Ekiben")
SHIPPED = Server("shipped", "as shipped", SERVICE, KEYS, asks_for_key=True)
VARIANTS = (SHIPPED, Server("no-keys", "without keys", SERVICE, {"EKIBEN_AUTH": "off"}))
SHARE = 0.9
"""Of the requests without keys, so many are answered with a key on each."""


def measure(options: argparse.Namespace) -> Rounds:
    """Load each variant in turn, round after round."""
    use_case = get_use_case(options.use_case)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "bodies.jsonl"
        rows = table_rows(use_case, Settings.from_env(), BODIES)
        body_file.write(file, bodies(rows, 1))
        load = Load(use_case.name, file, options.connections, options.seconds)
        return Rounds(list(take(VARIANTS, load, options.rounds, folder)))


def show(console: Console, rounds: Rounds) -> None:
    """Print what each variant answers and costs."""
    table = Table()
    table.add_column("Ekiben")
    for title in ("req/s", "µs a request", "p99 ms", "as shipped answers"):
        table.add_column(title, justify="right")
    for one in VARIANTS:
        p99 = rounds.spread(one.name, lambda turn: turn.figures.p99_ms).median
        table.add_row(
            one.title,
            f"{rounds.spread(one.name, answered).median:,.0f}",
            f"{rounds.spread(one.name, cost).median:.0f}",
            f"{p99:.1f}",
            "" if one is SHIPPED else beside_shipped(rounds, one.name),
        )
    console.print(table)
    console.print(f"{rounds.failures()} requests failed")


def beside_shipped(rounds: Rounds, variant: str) -> str:
    """Return how many requests are answered as shipped while *variant* answers one."""
    share = rounds.ratio(SHIPPED.name, variant, answered)
    by_cost = rounds.ratio(variant, SHIPPED.name, cost).median
    return (
        f"{share.median:.1%} ({share.low:.0%}-{share.high:.0%}); "
        f"by processor time {by_cost:.1%}"
    )


def main() -> int:
    """Measure and show; with --check, 1 when the promise is broken."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.layers", description=__doc__
    )
    names = [one.name for one in USE_CASES]
    parser.add_argument("--use-case", choices=names, default="iris")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=2, help="of each turn")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    rounds = measure(options)
    show(Console(), rounds)
    share = rounds.ratio(SHIPPED.name, "no-keys", answered).median
    kept = share >= SHARE and not rounds.failures()
    return 1 if options.check and not kept else 0


if __name__ == "__main__":
    sys.exit(main())
