"""Variants of one server that run side by side and are loaded in turn.

Another one is first in every round: what disturbs the machine for a while disturbs all
alike. The price of a variant is told by what the client sees, and by processor time of
the server for a request, which hears less of the neighbours.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.affinity import shares
from benchmarks.load import Destination, Figures, offer, put
from benchmarks.race import rotated
from benchmarks.results import Spread
from benchmarks.running import Running, running
from benchmarks.servers import Server


@dataclass(frozen=True)
class Turn:
    """One load on one variant; *cost* is the server's processor time for a request, in µs."""

    variant: str
    figures: Figures
    cost: float


@dataclass(frozen=True)
class Rounds:
    """All turns, round by round."""

    rounds: Sequence[Sequence[Turn]]

    def spread(self, variant: str, value: Callable[[Turn], float]) -> Spread:
        """Return a figure of *variant* over the rounds."""
        return Spread.of([value(_turn(one, variant)) for one in self.rounds])

    def ratio(self, variant: str, to: str, value: Callable[[Turn], float]) -> Spread:
        """Return how many times the figure of *to* that of *variant* is, within each round."""
        return Spread.of(
            [value(_turn(one, variant)) / value(_turn(one, to)) for one in self.rounds]
        )

    def failures(self) -> int:
        """Return how many requests of all were not answered with 2xx."""
        turns = (turn.figures for one in self.rounds for turn in one)
        return sum(one.non_2xx + one.broken for one in turns)


def answered(turn: Turn) -> float:
    """Return the requests a second."""
    return turn.figures.answered


def cost(turn: Turn) -> float:
    """Return the processor time of a request in µs."""
    return turn.cost


def p50(turn: Turn) -> float:
    """Return the median latency in ms."""
    return turn.figures.p50_ms


def p99(turn: Turn) -> float:
    """Return the 99th percentile of the latencies in ms."""
    return turn.figures.p99_ms


def _turn(turns: Sequence[Turn], variant: str) -> Turn:
    return next(one for one in turns if one.variant == variant)


@dataclass(frozen=True)
class Load:
    """What each variant is asked in its turn: the bodies of *file*, *seconds* long.

    As fast as *connections* can, or *rate* requests a second whatever is answered.
    """

    use_case: str
    file: Path
    connections: int
    seconds: int
    rate: float = 0.0


def take(
    variants: Sequence[Server], load: Load, rounds: int, folder: Path
) -> Iterator[list[Turn]]:
    """Yield the turns of each round; the servers run for as long as this is asked.

    Their logs and metrics are written below *folder*.

    Raises:
        EkibenError: a server did not start, or the client failed.
    """
    server_cpus, client_cpus = shares()
    with ExitStack() as stack:
        up = {}
        for one in variants:
            log = folder / f"{one.name}.log"
            of_its_own = _with_own_metrics(one, folder)
            up[one.name] = stack.enter_context(running(of_its_own, server_cpus, log))
        for number in range(-1, rounds):
            order = rotated(list(variants), number)
            turns = [_take(one.name, up[one.name], load, client_cpus) for one in order]
            # The first one warms up.
            if number >= 0:
                yield turns


def _with_own_metrics(server: Server, folder: Path) -> Server:
    """Give *server* a directory for its metrics, which two servers must not share."""
    own = {"EKIBEN_RUN_DIR": str(folder / server.name)}
    return replace(server, environment={**server.environment, **own})


def _take(variant: str, one: Running, load: Load, cpus: set[int]) -> Turn:
    to = Destination(one.predict_url(load.use_case), load.file, cpus, one.key)
    before = one.worked()
    if load.rate:
        figures = offer(to, load.rate, load.seconds)
    else:
        figures = put(to, load.connections, load.seconds)
    one.await_rest()
    seconds = one.worked() - before
    return Turn(variant, figures, 1e6 * seconds / max(figures.requests, 1))
