"""A host in memory: a balancer's places, and servers on ports that behave as they are told."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ekiben.packaging.balancer import Answer
from ekiben.packaging.deployments import Deployment, Replica, Revision
from ekiben.packaging.golden_check import GoldenCheck
from ekiben.packaging.haproxy import Server
from ekiben.packaging.rollout import Rollout
from ekiben.registry.store import Store
from tests.tiny import GOLDEN, register

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD, WRONG, NEVER, ENDS, CRASHES = "good", "wrong", "never ready", "ends", "crashes"


class Killed(BaseException):
    """The deploying process is gone: nothing it does has any effect from now on."""


@dataclass
class Host:
    """What outlives a deploy that is killed; `steps_left` counts down to the kill."""

    store: Store
    behaviour: dict[int, str]
    """By revision."""
    written: Deployment | None = None
    servers: dict[int, Replica] = field(default_factory=dict)
    """By port, those that run."""
    kept: set[int] = field(default_factory=set)
    places: dict[int, Server] = field(default_factory=dict)
    answering: list[int] = field(default_factory=list)
    """How many sound replicas got requests, after each change of the balancer."""
    exposed: set[int] = field(default_factory=set)
    """The revisions that ever got requests."""
    steps_left: int | None = None
    versions: dict[int, str] = field(default_factory=dict)
    """By revision, where it is not the one of the same number."""
    said: list[str] = field(default_factory=list)

    def step(self) -> None:
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                raise Killed

    def save(self, state: Deployment) -> None:
        self.step()
        self.written = state

    # The balancer.

    def align(self, servers: Sequence[Server]) -> None:
        self.step()
        self.places = {one.slot: one for one in servers}
        open_to = [one.port for one in servers if one.admin == "ready"]
        there = [self.servers[port] for port in open_to if port in self.servers]
        self.exposed |= {one.revision for one in there}
        self.answering.append(len(there))

    def wait_until_up(self, slot: int) -> bool:
        self.step()
        return self.places[slot].port in self.servers

    def ask_one(
        self, slot: int, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        self.step()
        return self._answer(self.places[slot].port, path)

    def ask_public(
        self, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        self.step()
        ready = [one.port for one in self.places.values() if one.admin == "ready"]
        return self._answer(ready[0], path) if ready else Answer(503, b"")

    def stop(self) -> None:
        self.step()
        self.places = {}

    def _answer(self, port: int, path: str) -> Answer:
        server = self.servers.get(port)
        if server is None:
            return Answer(0, b"")
        behaviour = self.behaviour[server.revision]
        if path == "/readyz":
            ready = behaviour in (GOOD, WRONG)
            reason = b'{"code": "not_ready", "detail": "iris: refused"}'
            return Answer(200 if ready else 503, reason)
        answer: dict[str, Any] = dict(GOLDEN[0].prediction)
        if behaviour == WRONG:
            answer["p"] = 0.2
        version = self.versions.get(server.revision, f"v{server.revision}")
        stamped = {**answer, "model": f"iris:{version}", "prediction_id": "1"}
        return Answer(200, json.dumps([stamped]).encode())

    # The runtime.

    def start(self, replica: Replica, revision: Revision) -> None:
        self.step()
        self.kept.add(replica.number)
        if self.behaviour[revision.number] != ENDS:
            self.servers[replica.port] = replica

    def why_ended(self, replica: Replica) -> str | None:
        self.step()
        return None if replica.port in self.servers else "no such setting"

    def is_kept(self, replica: Replica) -> bool:
        self.step()
        return replica.number in self.kept

    def ask_to_end(self, replica: Replica) -> None:
        self.step()

    def remove(self, replica: Replica) -> None:
        self.step()
        self.kept.discard(replica.number)
        if self.servers.get(replica.port, replica).number == replica.number:
            self.servers.pop(replica.port, None)


def make_host(place: Path, behaviour: dict[int, str], count: int = 2) -> Host:
    """Return a host on which nothing runs, and which knows the revisions in *behaviour*."""
    store = Store.at(place)
    for number in behaviour:
        register(store, version=f"v{number}")
    host = Host(store, behaviour)
    host.written = Deployment(
        name="ekiben",
        host="127.0.0.1",
        port=20000,
        count=count,
        revisions=tuple(make_revision(number) for number in behaviour),
    )
    return host


def make_revision(number: int) -> Revision:
    return Revision(
        number=number,
        bento=f"ekiben-server:b{number}",
        runtime="process",
        models={"iris": f"iris:v{number}"},
        settings={},
        created=NOON,
    )


def rollout(host: Host, wait: float = 0.0) -> Rollout:
    """Return what a deploy that starts now works with."""
    assert host.written is not None

    def check_of(revision: Revision) -> GoldenCheck:
        return GoldenCheck(host.store, revision.models, patience=0)

    tell: Callable[[str], None] = host.said.append
    return Rollout(host.written, host.save, host, lambda _: host, check_of, tell, wait)


def revisions_of(host: Host) -> list[int]:
    """Return the revisions of what runs."""
    return sorted(one.revision for one in host.servers.values())
