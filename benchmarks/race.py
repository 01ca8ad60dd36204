"""The run: each server in turn, each case on it, and the whole again for every repeat."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from benchmarks import body_file
from benchmarks.affinity import shares
from benchmarks.load import Destination, Figures, measured, offer, put
from benchmarks.open_loop import CONNECTIONS as OPEN_CONNECTIONS
from benchmarks.payloads import Fields, bodies
from benchmarks.results import Case, Measurement, Start
from benchmarks.running import Running, running
from benchmarks.servers import Server
from benchmarks.stolen import undisturbed
from ekiben.errors import EkibenError
from ekiben.predictor import same

WARM_UP_SECONDS = 1.0
WARM_UP_CONNECTIONS = 32
ROW_CONNECTIONS = 4
"""Connections for requests of many rows: enough to keep the server busy, and no more
rows than one that bounds them would take."""


class AnswersDiffer(EkibenError):
    """Two servers answered the same row differently: they do not race over one model."""


@dataclass(frozen=True)
class Race:
    """What is measured: every server under every case, each case *seconds* long."""

    servers: Sequence[Server]
    rows: Mapping[str, Sequence[Fields]]
    """Use case to the rows that are sent."""
    rows_per_request: Sequence[int]
    connections: Sequence[int]
    seconds: float
    repeats: int
    shares: Sequence[int] = ()
    """Percents of each server's capacity that open loops offer."""

    def cases_of(self, use_case: str) -> list[Case]:
        """Return one row over all connections, many rows over a few, the open loops."""
        many = [Case(use_case, rows, ROW_CONNECTIONS) for rows in self.rows_per_request]
        lone = [Case(use_case, 1, count) for count in self.connections]
        offered = [Case(use_case, 1, OPEN_CONNECTIONS, share) for share in self.shares]
        return [*lone, *(one for one in many if one.rows > 1), *offered]

    def cases(self, server: Server) -> list[Case]:
        """Return what *server* is measured under, the cases of a use case together."""
        found = [case for name in self.rows for case in self.cases_of(name)]
        if not server.in_process:
            return found
        firsts = {(one.use_case, one.rows): one for one in reversed(found)}
        return [one for one in found if one in firsts.values()]

    @property
    def steps(self) -> int:
        """How many measurements the run makes."""
        return self.repeats * sum(len(self.cases(one)) for one in self.servers)

    def turns(
        self, tell: Callable[[str], None]
    ) -> Iterator[Iterator[Measurement | Start]]:
        """Measure, a server's turn at a time; *tell* hears what is done now.

        The servers take turns within a repeat, and another one begins each, so that
        drift of the machine hits all alike.

        Raises:
            StartFailed: a server did not become ready.
            AnswersDiffer: two servers disagree on a row.
        """
        answers: dict[str, list[Fields]] = {}
        for repeat in range(self.repeats):
            for server in rotated(self.servers, repeat):
                tell(f"starting {server.title}")
                yield self._turn(server, repeat, answers, tell)

    def _turn(
        self,
        server: Server,
        repeat: int,
        answers: dict[str, list[Fields]],
        tell: Callable[[str], None],
    ) -> Iterator[Measurement | Start]:
        if server.in_process:
            yield from self._alone(server, repeat, tell)
            return
        server_cpus, client_cpus = shares()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            log = folder / "server.log"
            one = stack.enter_context(running(server, server_cpus, log))
            yield Start(server.name, repeat, one.start_seconds, one.worker_mib())
            for name, rows in self.rows.items():
                if not server.is_limit:
                    compare(server, name, ask(one, name, rows), answers)
            capacity: dict[str, float] = {}
            for case in self.cases(server):
                tell(f"{server.title}: {case.use_case} over {case.connections}")
                load = Load(one, folder, client_cpus, self.seconds)
                if case.use_case not in capacity:
                    load.warm_up(case, self.rows[case.use_case])
                figures = undisturbed(
                    partial(
                        load.measure,
                        case,
                        self.rows[case.use_case],
                        capacity.get(case.use_case, 0.0),
                    )
                )
                if case.rows == 1 and not case.share:
                    best = max(capacity.get(case.use_case, 0.0), figures.answered)
                    capacity[case.use_case] = best
                yield Measurement(server.name, case, repeat, figures, one.memory_mib())

    def _alone(
        self, server: Server, repeat: int, tell: Callable[[str], None]
    ) -> Iterator[Measurement]:
        """Measure the model in a process of its own, on the server's processor."""
        cpus, _ = shares()
        for case in self.cases(server):
            tell(f"{server.title}: {case.use_case}")
            command = [server.python, *server.arguments, case.use_case]
            command += [str(case.rows), str(self.seconds)]
            figures = undisturbed(partial(measured, command, self.seconds, cpus))
            yield Measurement(server.name, case, repeat, figures, 0.0)


@dataclass(frozen=True)
class Load:
    """Loads on one server that is ready, from the processors *cpus*."""

    one: Running
    folder: Path
    cpus: set[int]
    seconds: float

    def warm_up(self, case: Case, rows: Sequence[Fields]) -> None:
        """Load it for a moment, over many connections."""
        self._put(case, rows, WARM_UP_CONNECTIONS, WARM_UP_SECONDS)

    def measure(self, case: Case, rows: Sequence[Fields], capacity: float) -> Figures:
        """Return what a client sees under *case*; an open loop offers from *capacity*."""
        if not case.share:
            return self._put(case, rows, case.connections, self.seconds)
        rate = max(1.0, capacity * case.share / 100)
        figures = offer(self._to(case, rows), rate, self.seconds)
        self.one.await_rest()
        return figures

    def _put(
        self, case: Case, rows: Sequence[Fields], connections: int, seconds: float
    ) -> Figures:
        figures = put(self._to(case, rows), connections, seconds)
        self.one.await_rest()
        return figures

    def _to(self, case: Case, rows: Sequence[Fields]) -> Destination:
        one, dialect = self.one, self.one.server.dialect
        file = self.folder / "bodies"
        encode = partial(dialect.encode, case.use_case)
        body_file.write(file, bodies(rows, case.rows, encode))
        url, form = one.predict_url(case.use_case), dialect.content_type
        return Destination(url, file, self.cpus, one.key, form)


def rotated(servers: Sequence[Server], by: int) -> list[Server]:
    """Return *servers* with another one first for every *by*."""
    start = by % len(servers)
    return [*servers[start:], *servers[:start]]


def ask(one: Running, use_case: str, rows: Sequence[Fields]) -> list[Fields]:
    """Return a server's answers to up to 50 of *rows*, asked in one request."""
    dialect = one.server.dialect
    answer = httpx.post(
        one.predict_url(use_case),
        content=dialect.encode(use_case, rows[:50]),
        headers={
            "Content-Type": dialect.content_type,
            **({"Authorization": f"Bearer {one.key}"} if one.key else {}),
        },
        timeout=60,
    )
    answer.raise_for_status()
    return dialect.decode(answer.content)


def compare(
    server: Server,
    use_case: str,
    answered: Sequence[Fields],
    answers: dict[str, list[Fields]],
) -> None:
    """Keep the first server's *answered*; refuse one that disagrees with what is kept.

    Fields that only one of them states, such as ids, are not compared.
    """
    kept = answers.setdefault(use_case, list(answered))
    for number, (first, other) in enumerate(zip(kept, answered, strict=True)):
        shared = (first.keys() & other.keys()) - {"prediction_id"}
        if not all(same(first[name], other[name]) for name in shared):
            raise AnswersDiffer(
                f"{server.title} answers row {number} of {use_case} differently"
            )
