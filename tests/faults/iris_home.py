"""A home with two trained versions of iris, the commands on it, and requests while it suffers."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from ekiben.datasets import load
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.store import Store
from ekiben.settings import Settings
from ekiben.training import train
from ekiben.use_cases.catalog import get_use_case
from tests.background import Background
from tests.criteria_plugin import Figure
from tests.servers import PATIENCE, PROJECT, Server, environment
from tests.tiny import promote_in

IRIS = get_use_case("iris")
CLIENTS = 4
QUICK = {"EKIBEN_MODELS": "iris", "EKIBEN_PROMOTE_LEAD_MS": "300"}


@dataclass(frozen=True)
class IrisHome:
    """Two versions of iris, neither production yet, and where their ledger is."""

    path: Path
    first: str
    second: str
    extra: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, path: Path) -> "IrisHome":
        """Train both; the same data and seeds, so that each passes the other's gates."""
        store, table = Store.at(path), load(IRIS.dataset, cache=path, offline=True)
        tags = [
            train(
                IRIS,
                table,
                store,
                now=lambda: datetime.now(UTC),
                clock=time.perf_counter,
            ).card.tag
            for _ in range(2)
        ]
        first, second = tags
        return cls(path, first, second)

    @property
    def url(self) -> str:
        given = self.extra.get("EKIBEN_DATABASE_URL")
        return Settings(home=self.path, database_url=given).ledger_url

    def promote_first(self) -> None:
        """Make the first version production, no gates asked."""
        self.promote_unasked(self.first)

    def promote_unasked(self, tag: str) -> None:
        digest = Store.at(self.path).verify(tag).digest
        with LedgerDatabase.opened(self.url) as database:
            promote_in(database, tag, digest, datetime.now(UTC))

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        process = self.start(*words)
        out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "ekiben", *words],
            cwd=PROJECT,
            env=environment(self.path, {**QUICK, **self.extra}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def events(self) -> int:
        """Return how many events there are, each verified."""
        with LedgerDatabase.opened(self.url) as database:
            return len(database.verified().events)


def refused(done: "subprocess.CompletedProcess[str]", told: str) -> None:
    """Check that a command refused in one line that says *told*."""
    assert done.returncode == 1, done
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("ekiben: "), lines
    assert told in lines[0], lines


class Traffic(Background):
    """Requests from CLIENTS threads, without a pause.

    None may fail in it; `slowest` is the longest in seconds.
    """

    threads = CLIENTS

    def __init__(self, server: Server) -> None:
        self._server = server
        self.statuses: Counter[int | str] = Counter()
        self.tags: Counter[str] = Counter()
        self.slowest = 0.0

    def note(self, figure: Figure) -> None:
        """Note how much was asked, and what took longest."""
        figure("requests, none failed", self.statuses[200])
        figure("slowest request, s", self.slowest)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        super().__exit__(kind, *rest)
        if kind is None:
            assert set(self.statuses) == {200}, self.statuses
            assert self.statuses[200] > 20

    def run(self) -> None:
        """Ask until the block ends."""
        with self._server.client() as client:
            while not self.ending.wait(0.01):
                started = time.monotonic()
                try:
                    answer = client.post(
                        "/v1/iris/predict", json={"rows": IRIS.examples[:1]}
                    )
                    self.statuses[answer.status_code] += 1
                    self.tags[answer.headers.get("x-model", "")] += 1
                except httpx.HTTPError as error:
                    self.statuses[repr(error)] += 1
                self.slowest = max(self.slowest, time.monotonic() - started)


def tag_of(server: Server) -> str:
    """Return which version answers."""
    answer = httpx.post(
        f"{server.url}/v1/iris/predict", json={"rows": IRIS.examples[:1]}
    )
    assert answer.status_code == 200, answer.text
    return answer.headers["x-model"]


def cut_off(server: Server) -> bool:
    """Whether the server says that it cannot read its releases; it is to stay ready."""
    answer = httpx.get(f"{server.url}/readyz")
    assert answer.status_code == 200, answer.text
    return "releases_unreachable_since" in answer.json()


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait for *condition*, PATIENCE at least, and return the seconds that it took."""
    start = time.monotonic()
    while not condition():
        waited = time.monotonic() - start
        assert waited < max(seconds, PATIENCE), "it did not happen"
        time.sleep(0.02)
    return time.monotonic() - start
