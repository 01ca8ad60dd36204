"""Replaces replicas one by one, from whatever state is found to the one that is wanted.

Each step is written down before it is taken, so that the next deploy can go on from
wherever this one is killed.
"""

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from ekiben.errors import DeployRefused, ReplicaFailed
from ekiben.packaging.balancer import Answer
from ekiben.packaging.deployments import Deployment, Replica, Revision, RuntimeName
from ekiben.packaging.golden_check import Ask, GoldenCheck, why_not_ready
from ekiben.packaging.haproxy import Admin, Server
from ekiben.packaging.runtimes import Runtime

LOOK_SECONDS = 0.2
PORTS = 100
"""That are looked through for a free one, after the balancer's."""


class Doors(Protocol):
    """What a roll-out asks of the balancer; see `Balancer`."""

    def align(self, servers: Sequence[Server]) -> None:
        """Stand where *servers* are."""

    def wait_until_up(self, slot: int) -> bool:
        """Whether the server of *slot* is found ready in time."""

    def ask_one(
        self, slot: int, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Ask the server of *slot*."""

    def ask_public(
        self, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Ask whoever is picked."""


@dataclass
class Rollout:
    """One deployment on its way; `state` is always what is written on the disk."""

    state: Deployment
    save: Callable[[Deployment], None]
    doors: Doors
    runtimes: Callable[[RuntimeName], Runtime]
    check_of: Callable[[Revision], GoldenCheck]
    tell: Callable[[str], None]
    wait_seconds: float

    def converge(self, revision: Revision) -> dict[str, str]:
        """Let `count` replicas of *revision* answer, and no other; return what answers.

        At no time do fewer replicas answer than did before, up to `count`.

        Raises:
            ReplicaFailed: a new replica is not fit; it is gone, and those before it answer.
        """
        self._clear_unfinished()
        self._keep_all()
        while (olds := self._others(revision)) or self._missing(revision):
            if self._missing(revision):
                self._add(revision)
            if olds and len(self._live()) > self.state.count:
                self._retire(olds[0])
        while len(self._live()) > self.state.count:
            self._retire(self._live()[0])
        return self._check_public(revision)

    def resize(self, count: int) -> None:
        """Let *count* replicas be what is wanted from now on."""
        self._write(self.state.model_copy(update={"count": count}))

    def end(self) -> None:
        """End every replica, all at once."""
        for replica in self.state.replicas:
            self._runtime(replica).ask_to_end(replica)
        for replica in self.state.replicas:
            self._runtime(replica).remove(replica)
            self._write(self.state.without(replica))

    def align(self) -> None:
        """Tell the balancer where the replicas are."""
        self.doors.align([_server(one) for one in self.state.replicas])

    def _clear_unfinished(self) -> None:
        """End what a broken-off roll-out left: replicas that were coming, or going."""
        left = [one for one in self.state.replicas if one.state != "live"]
        for replica in left:
            self._write(self.state.put(replica.model_copy(update={"state": "leaving"})))
        self.align()
        for replica in left:
            self.tell(f"replica {replica.number} was left over; it ends")
            self._runtime(replica).ask_to_end(replica)
        for replica in left:
            self._forget(replica)

    def _keep_all(self) -> None:
        """See that every replica that answers runs, and is started again when it ends."""
        loose = [one for one in self._live() if not self._runtime(one).is_kept(one)]
        for replica in loose:
            self.tell(
                f"replica {replica.number} was not kept running; it is from now on"
            )
            revision = self.state.revision(replica.revision)
            self._runtime(replica).start(replica, revision)
        for replica in loose:
            try:
                self._wait_until_ready(replica)
            except ReplicaFailed as error:
                # It may be what is to be replaced; the check at the end tells.
                self.tell(f"replica {replica.number}: {error}")

    def _add(self, revision: Revision) -> None:
        replica = Replica(
            number=self.state.numbered + 1,
            slot=self.state.free_slot(),
            port=free_port(self.state),
            revision=revision.number,
            state="starting",
            since=datetime.now(UTC),
        )
        self._write(self.state.put(replica))
        self.align()
        try:
            self._runtime(replica).start(replica, revision)
            self._wait_until_ready(replica)
            self.check_of(revision).run(self._door_of(replica))
        except BaseException:
            self._drop(replica)
            raise
        self._admit(replica)

    def _wait_until_ready(self, replica: Replica) -> None:
        runtime, door = self._runtime(replica), self._door_of(replica)
        until = time.monotonic() + self.wait_seconds
        while (reason := why_not_ready(door("/readyz", None, {}))) is not None:
            ended = runtime.why_ended(replica)
            if ended is not None:
                raise ReplicaFailed(f"a new replica ended: {ended}")
            if time.monotonic() > until:
                raise ReplicaFailed(
                    f"a new replica was not ready within {self.wait_seconds:g} s: {reason}"
                )
            time.sleep(LOOK_SECONDS)

    def _admit(self, replica: Replica) -> None:
        self._write(self.state.put(replica.model_copy(update={"state": "live"})))
        self.align()
        if not self.doors.wait_until_up(replica.slot):
            self._drop(replica)
            raise ReplicaFailed("the balancer did not find a new replica ready")
        self.tell(f"replica {replica.number} is ready and answers its golden rows")

    def _drop(self, replica: Replica) -> None:
        """End a replica that was to come: it goes as one that leaves, and nobody waits."""
        self._write(self.state.put(replica.model_copy(update={"state": "leaving"})))
        self.align()
        self._runtime(replica).ask_to_end(replica)
        self._forget(replica)

    def _retire(self, replica: Replica) -> None:
        """Let a replica finish what it has, and end; the balancer sends it no more."""
        self._drop(replica)
        self.tell(f"replica {replica.number} has drained and ended")

    def _forget(self, replica: Replica) -> None:
        self._runtime(replica).remove(replica)
        self._write(self.state.without(replica))
        self.align()

    def _check_public(self, revision: Revision) -> dict[str, str]:
        """Ask at the public door often enough to meet every replica."""
        check, found = self.check_of(revision), {}
        for _ in range(2 * self.state.count):
            found = check.run(self.doors.ask_public)
        return found

    def _door_of(self, replica: Replica) -> Ask:
        def ask(path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
            return self.doors.ask_one(replica.slot, path, body, headers)

        return ask

    def _live(self) -> list[Replica]:
        live = [one for one in self.state.replicas if one.state == "live"]
        return sorted(live, key=lambda one: one.number)

    def _others(self, revision: Revision) -> list[Replica]:
        return [one for one in self._live() if one.revision != revision.number]

    def _missing(self, revision: Revision) -> bool:
        there = [one for one in self._live() if one.revision == revision.number]
        return len(there) < self.state.count

    def _runtime(self, replica: Replica) -> Runtime:
        return self.runtimes(self.state.revision(replica.revision).runtime)

    def _write(self, state: Deployment) -> None:
        self.save(state)
        self.state = state


ADMIN: dict[str, Admin] = {"starting": "maint", "live": "ready", "leaving": "drain"}


def _server(replica: Replica) -> Server:
    return Server(replica.slot, replica.port, ADMIN[replica.state])


def free_port(state: Deployment) -> int:
    """Return the first free port after the balancer's that no replica has.

    Not one that the system hands out: those are taken at any time by connections to
    elsewhere, and then a replica that starts again could not listen.

    Raises:
        DeployRefused: there is none near.
    """
    taken = {one.port for one in state.replicas}
    for port in range(state.port + 1, min(state.port + PORTS, 65536)):
        if port not in taken and _is_free(port):
            return port
    raise DeployRefused(f"no free port after {state.port}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
