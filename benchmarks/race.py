"""The run: each server in turn, each case on it, and the whole again for every repeat."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import httpx

from benchmarks.affinity import shares
from benchmarks.load import put
from benchmarks.payloads import bodies
from benchmarks.results import Case, Measurement
from benchmarks.servers import Running, Server, running
from ekiben.errors import EkibenError
from ekiben.predictor import same

WARM_UP_SECONDS = 1.0

Fields = dict[str, Any]


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

    @property
    def cases(self) -> list[Case]:
        """All cases, those of a use case together."""
        return [
            Case(use_case, rows, connections)
            for use_case, rows, connections in product(
                self.rows, self.rows_per_request, self.connections
            )
        ]

    @property
    def steps(self) -> int:
        """How many measurements the run makes."""
        return len(self.cases) * len(self.servers) * self.repeats

    def run(self, tell: Callable[[str], None]) -> Iterator[Measurement]:
        """Measure; *tell* hears what is done now.

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
                yield from self._turn(server, repeat, answers, tell)

    def _turn(
        self,
        server: Server,
        repeat: int,
        answers: dict[str, list[Fields]],
        tell: Callable[[str], None],
    ) -> Iterator[Measurement]:
        server_cpus, client_cpus = shares()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            log = folder / "server.log"
            one = stack.enter_context(running(server, server_cpus, log))
            for name, rows in self.rows.items():
                compare(server, name, ask(one, name, rows), answers)
            for case in self.cases:
                tell(f"{server.title}: {case.use_case} over {case.connections}")
                yield self._measure(server, one, case, repeat, folder, client_cpus)

    def _measure(
        self,
        server: Server,
        one: Running,
        case: Case,
        repeat: int,
        folder: Path,
        cpus: set[int],
    ) -> Measurement:
        file = folder / "bodies.jsonl"
        file.write_bytes(b"\n".join(bodies(self.rows[case.use_case], case.rows)))
        url = url_of(one, case.use_case)
        put(url, file, case.connections, WARM_UP_SECONDS, cpus, one.key)
        one.await_rest()
        figures = put(url, file, case.connections, self.seconds, cpus, one.key)
        one.await_rest()
        return Measurement(server.name, case, repeat, figures, one.memory_mib())


def rotated(servers: Sequence[Server], by: int) -> list[Server]:
    """Return *servers* with another one first for every *by*."""
    start = by % len(servers)
    return [*servers[start:], *servers[:start]]


def url_of(one: Running, use_case: str) -> str:
    """Return the address of a predict endpoint."""
    return f"{one.url}/v1/{use_case}/predict"


def ask(one: Running, use_case: str, rows: Sequence[Fields]) -> list[Fields]:
    """Return a server's answers to up to 50 of *rows*, asked in one request."""
    answer = httpx.post(
        url_of(one, use_case),
        json={"rows": list(rows[:50])},
        headers={"Authorization": f"Bearer {one.key}"} if one.key else {},
        timeout=60,
    )
    answer.raise_for_status()
    found: list[Fields] = answer.json()
    return found


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
