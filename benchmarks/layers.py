"""What the layers around a prediction cost: python -m benchmarks.layers --help.

Variants of one server run side by side, and each is loaded for a moment in turn, another
first in every round: what disturbs the machine for a while disturbs all alike. The price
is told twice, by requests a second, and by processor time of the server for a request,
which hears less of the neighbours.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import body_file
from benchmarks.affinity import shares
from benchmarks.load import Figures, put
from benchmarks.payloads import BODIES, bodies, table_rows
from benchmarks.race import rotated
from benchmarks.results import Spread
from benchmarks.running import Running, running
from benchmarks.servers import BENTOML, Server
from ekiben.settings import Settings
from ekiben.use_cases.catalog import USE_CASES, get_use_case

KEYS = {"EKIBEN_AUTH": "required"}
SERVICE = (*BENTOML, "service:Ekiben")
SHIPPED = Server("shipped", "as shipped", SERVICE, KEYS, asks_for_key=True)
VARIANTS = (SHIPPED, Server("no-keys", "without keys", SERVICE, {"EKIBEN_AUTH": "off"}))
SHARE = 0.9
"""Of the requests without keys, so many are answered with a key on each."""


@dataclass(frozen=True)
class Turn:
    """One load on one variant; *cost* is the server's processor time for a request, in µs."""

    variant: str
    figures: Figures
    cost: float


@dataclass(frozen=True)
class Prices:
    """All turns, round by round."""

    rounds: Sequence[Sequence[Turn]]

    def cost(self, variant: str) -> Spread:
        """Return the processor time of one request in µs."""
        return Spread.of([_turn(one, variant).cost for one in self.rounds])

    def answered(self, variant: str) -> Spread:
        """Return the requests a second."""
        turns = (_turn(one, variant) for one in self.rounds)
        return Spread.of([turn.figures.answered for turn in turns])

    def share(self, of: str) -> Spread:
        """Return how many requests are answered as shipped while *of* answers one."""
        return Spread.of(
            [
                _turn(one, SHIPPED.name).figures.answered
                / _turn(one, of).figures.answered
                for one in self.rounds
            ]
        )

    def cost_share(self, of: str) -> float:
        """Return the processor time of a request to *of* as a share of that as shipped."""
        return self.cost(of).median / self.cost(SHIPPED.name).median

    def failures(self) -> int:
        """Return how many requests of all were not answered with 2xx."""
        turns = (turn.figures for one in self.rounds for turn in one)
        return sum(one.non_2xx + one.broken for one in turns)


def _turn(turns: Sequence[Turn], variant: str) -> Turn:
    return next(one for one in turns if one.variant == variant)


def measure(options: argparse.Namespace) -> Iterator[list[Turn]]:
    """Yield the turns of each round; the servers run for as long as this is asked."""
    use_case = get_use_case(options.use_case)
    server_cpus, client_cpus = shares()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / "bodies.jsonl"
        rows = table_rows(use_case, Settings.from_env(), BODIES)
        body_file.write(file, bodies(rows, 1))
        variants = [_of_its_own(one, folder) for one in VARIANTS]
        up = {
            one.name: stack.enter_context(
                running(one, server_cpus, folder / f"{one.name}.log")
            )
            for one in variants
        }
        for number in range(-1, options.rounds):
            turns = [
                _take(one, up[one.name], use_case.name, file, options, client_cpus)
                for one in rotated(variants, number)
            ]
            # The first one warms up.
            if number >= 0:
                yield turns


def _of_its_own(server: Server, folder: Path) -> Server:
    """Give *server* a directory for its metrics, which two servers must not share."""
    environment = {**server.environment, "EKIBEN_RUN_DIR": str(folder / server.name)}
    return Server(
        server.name,
        server.title,
        server.arguments,
        environment,
        server.asks_for_key,
    )


def _take(
    server: Server,
    one: Running,
    use_case: str,
    file: Path,
    options: argparse.Namespace,
    cpus: set[int],
) -> Turn:
    url = one.predict_url(use_case)
    before = one.worked()
    figures = put(url, file, options.connections, options.seconds, cpus, one.key)
    one.await_rest()
    seconds = one.worked() - before
    return Turn(server.name, figures, 1e6 * seconds / max(figures.requests, 1))


def show(console: Console, prices: Prices) -> None:
    """Print what each variant answers and costs."""
    table = Table()
    table.add_column("Ekiben")
    for title in ("req/s", "µs a request", "p99 ms", "as shipped answers"):
        table.add_column(title, justify="right")
    for one in VARIANTS:
        turns = [_turn(turns, one.name) for turns in prices.rounds]
        p99 = Spread.of([turn.figures.p99_ms for turn in turns]).median
        share = prices.share(one.name)
        table.add_row(
            one.title,
            f"{prices.answered(one.name).median:,.0f}",
            f"{prices.cost(one.name).median:.0f}",
            f"{p99:.1f}",
            ""
            if one is SHIPPED
            else f"{share.median:.1%} ({share.low:.0%}-{share.high:.0%}); "
            f"by processor time {prices.cost_share(one.name):.1%}",
        )
    console.print(table)
    console.print(f"{prices.failures()} requests failed")


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
    prices = Prices(list(measure(options)))
    show(Console(), prices)
    kept = prices.share("no-keys").median >= SHARE and not prices.failures()
    return 1 if options.check and not kept else 0


if __name__ == "__main__":
    sys.exit(main())
