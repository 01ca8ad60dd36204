"""Measurements of all repeats, and what follows from them: medians and ratios."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

from benchmarks.load import Figures

Figure = Literal["req_s", "p50_ms", "p99_ms"]


@dataclass(frozen=True, order=True)
class Case:
    """One kind of load: which rows, how many a request, over how many connections."""

    use_case: str
    rows: int
    connections: int
    share: int = 0
    """Percent of the server's own capacity that an open loop offered; 0: closed loop."""


@dataclass(frozen=True)
class Start:
    """How long a server took to be ready, and what its largest process takes by then."""

    server: str
    repeat: int
    seconds: float
    worker_mib: float


@dataclass(frozen=True)
class Measurement:
    """One load on one server, in one of the repeats."""

    server: str
    case: Case
    repeat: int
    figures: Figures
    memory_mib: float

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, such as `of_json` reads."""
        return asdict(self)

    @classmethod
    def of_json(cls, fields: dict[str, Any]) -> "Measurement":
        """Read what `to_json` made."""
        case, figures = Case(**fields["case"]), Figures(**fields["figures"])
        return cls(**{**fields, "case": case, "figures": figures})


@dataclass(frozen=True)
class Spread:
    """The median over the repeats, and how far they lay apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of *values*, at least one."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True)
class Results:
    """All measurements of a run."""

    measurements: tuple[Measurement, ...]
    starts: tuple[Start, ...] = ()
    absent: tuple[tuple[str, str], ...] = ()
    """Servers that could not race, and why."""

    @property
    def cases(self) -> list[Case]:
        """The measured cases, in the order in which they were measured."""
        return list(dict.fromkeys(one.case for one in self.measurements))

    @property
    def servers(self) -> list[str]:
        """The names of the measured servers, in the order of their first turn."""
        return list(dict.fromkeys(one.server for one in self.measurements))

    def of(self, server: str, case: Case) -> list[Measurement]:
        """Return what was measured of *server* under *case*, by repeat."""
        found = (one for one in self.measurements if one.server == server)
        return sorted(
            (one for one in found if one.case == case), key=lambda one: one.repeat
        )

    def find(self, server: str, case: Case, figure: Figure) -> Spread | None:
        """Return a figure's spread over the repeats, None when it was not measured."""
        values = [FIGURES[figure](one.figures) for one in self.of(server, case)]
        return Spread.of(values) if values else None

    def find_ratio(self, server: str, other: str, case: Case) -> Spread | None:
        """Return how often *server* answers where *other* answers once.

        Each repeat gives one ratio, since what disturbs a repeat disturbs both in it.
        None when no repeat has both, or *other* answered nothing.
        """
        mine = _by_repeat(self.of(server, case))
        theirs = _by_repeat(self.of(other, case))
        ratios = [
            mine[repeat] / theirs[repeat]
            for repeat in mine.keys() & theirs.keys()
            if theirs[repeat]
        ]
        return Spread.of(ratios) if ratios else None

    def start_seconds(self, server: str) -> Spread | None:
        """Return how long *server* took to be ready, None when it was not started."""
        values = [one.seconds for one in self.starts if one.server == server]
        return Spread.of(values) if values else None

    def worker_mib(self, server: str) -> Spread | None:
        """Return the memory of its largest process, None when it was not started."""
        values = [one.worker_mib for one in self.starts if one.server == server]
        return Spread.of(values) if values else None

    def stolen(self) -> Spread | None:
        """Return the share of the processors' time that others took, None: nobody knows."""
        told = (one.figures.stolen for one in self.measurements)
        shares = [share for share in told if share is not None]
        return Spread.of(shares) if shares else None

    def failures(self, server: str, case: Case) -> int:
        """Return how many requests were not answered with 2xx, all repeats together."""
        return sum(
            one.figures.non_2xx + one.figures.broken for one in self.of(server, case)
        )

    def memory_mib(self, server: str) -> float:
        """Return the most memory that was seen of *server*, all processes together."""
        return max(
            (one.memory_mib for one in self.measurements if one.server == server),
            default=0.0,
        )


FIGURES: dict[Figure, Callable[[Figures], float]] = {
    "req_s": lambda figures: figures.answered,
    "p50_ms": lambda figures: figures.p50_ms,
    "p99_ms": lambda figures: figures.p99_ms,
}


def _by_repeat(measurements: Iterable[Measurement]) -> dict[int, float]:
    return {one.repeat: one.figures.answered for one in measurements}
