"""Deploys, rolls back, resumes and removes: one roll-out at a time, undone where it fails."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial

from ekiben.access.loopback import is_loopback
from ekiben.errors import DeployFailed, DeployRefused, EkibenError
from ekiben.packaging.balancer import Balancer, haproxy
from ekiben.packaging.bentos import Bento
from ekiben.packaging.container_runtime import ContainerRuntime, check_secrets
from ekiben.packaging.containers import find_engine
from ekiben.packaging.deployments import (
    Deployment,
    Place,
    Revision,
    RuntimeName,
)
from ekiben.packaging.golden_check import GoldenCheck
from ekiben.packaging.passing_key import PassingKey
from ekiben.packaging.revisions import keep_bento, production_of
from ekiben.packaging.rollout import Rollout
from ekiben.packaging.runtimes import SECRETS, ProcessRuntime, Runtime
from ekiben.registry.store import Store
from ekiben.settings import PREFIX, SERVICE_LINK, Settings

OURS = ("EKIBEN_ACTOR", "EKIBEN_DATA_DIR", "EKIBEN_OFFLINE")
"""Settings of who deploys, not of a server."""
HOST, PORT, REPLICAS = "127.0.0.1", 3000, 2
"""Where a first deploy puts the balancer, and how many replicas behind it."""


@dataclass(frozen=True)
class Wish:
    """What is to be deployed; None: where it is and as many as there are."""

    bento: Bento
    runtime: RuntimeName
    host: str | None = None
    port: int | None = None
    count: int | None = None
    image: str | None = None
    digest: str | None = None


class Deployer:
    """Whoever changes the deployment at *place*; *environ* is handed on to replicas."""

    def __init__(
        self,
        place: Place,
        environ: Mapping[str, str],
        *,
        wait_seconds: float,
        tell: Callable[[str], None],
    ) -> None:
        self._place = place
        self._environ = environ
        self._own = Settings.from_env(environ)
        self._wait = wait_seconds
        self._tell = tell

    def deploy(self, wish: Wish) -> Deployment:
        """Replace what runs by what is wished for; the same again changes nothing.

        Raises:
            DeployRefused, DeployBusy: nothing was changed.
            DeployFailed: it was tried and undone.
        """
        haproxy()
        if wish.runtime == "container":
            check_secrets(self._environ)
        with self._place.locked():
            state = self._fresh_or_known(wish)
            settings = self._settings_for(wish.runtime, state.host)
            revision = self._same(state, wish, settings)
            if revision is None:
                revision = self._new_revision(state, wish, settings)
            return self._roll(state, revision)

    def roll_back(self) -> tuple[Deployment, Revision]:
        """Go back to the revision before; return what is deployed, and what was.

        Raises:
            DeployRefused: there is none.
            DeployBusy, DeployFailed: as `deploy` says.
        """
        with self._place.locked():
            state = self._known()
            if state.previous is None or state.current is None:
                raise DeployRefused(f"{state.name} has no revision before")
            left = state.revision(state.current)
            return self._roll(state, state.revision(state.previous)), left

    def resume(self) -> Deployment:
        """Bring back what is deployed: after the host started again, or a deploy was killed.

        Raises:
            DeployRefused: nothing is.
            DeployBusy, DeployFailed: as `deploy` says.
        """
        with self._place.locked():
            state = self._known()
            if state.current is None:
                self._remove(state)
                raise DeployRefused(f"the first deploy of {state.name} never ended")
            return self._roll(state, state.revision(state.current))

    def remove(self) -> Deployment:
        """End balancer and replicas, in this order, and forget them.

        Raises:
            DeployRefused: nothing is deployed.
            DeployBusy: another is at work.
        """
        with self._place.locked():
            state = self._known()
            self._remove(state)
            return state

    def _known(self) -> Deployment:
        state = self._place.read()
        if state is None:
            raise DeployRefused(f"nothing is deployed as {self._place.name}")
        return state

    def _fresh_or_known(self, wish: Wish) -> Deployment:
        state = self._place.read()
        if state is not None and state.current is None:
            self._tell("the first deploy never ended; what it left is removed")
            self._remove(state)
            state = None
        if state is None:
            return Deployment(
                name=self._place.name,
                host=wish.host or HOST,
                port=wish.port or PORT,
                count=wish.count or REPLICAS,
            )
        wished = (wish.host or state.host, wish.port or state.port)
        if wished != (state.host, state.port):
            raise DeployRefused(
                f"{state.name} is at {state.host} port {state.port}; undeploy it first"
            )
        return state.model_copy(update={"count": wish.count or state.count})

    def _settings_for(self, runtime: RuntimeName, host: str) -> dict[str, str]:
        """Return the settings of the replicas: those given here, and what the address asks for."""
        kept = {
            name: value
            for name, value in self._environ.items()
            if name.startswith(PREFIX)
            and value
            and name not in (*SECRETS, *OURS)
            and not SERVICE_LINK.match(name)
        }
        if runtime == "container" or not is_loopback(host):
            # A replica sees only that it listens on a loopback address itself.
            if kept.get("EKIBEN_AUTH") == "off":
                raise DeployRefused(f"EKIBEN_AUTH: off is not for {host}")
            kept["EKIBEN_AUTH"] = "required"
        return kept

    @staticmethod
    def _same(
        state: Deployment, wish: Wish, settings: Mapping[str, str]
    ) -> Revision | None:
        if state.current is None:
            return None
        found = state.revision(state.current)
        there = (found.bento, found.runtime, found.digest, found.settings)
        wished = (wish.bento.tag, wish.runtime, wish.digest, settings)
        return found if there == wished else None

    def _new_revision(
        self, state: Deployment, wish: Wish, settings: dict[str, str]
    ) -> Revision:
        number = max((one.number for one in state.revisions), default=0) + 1
        place = self._place.revision(number)
        shutil.rmtree(place, ignore_errors=True)
        pinned = settings.get("EKIBEN_RELEASES") != "follow"
        keep_bento(wish.bento, self._place.home, place, models=pinned)
        return Revision(
            number=number,
            bento=wish.bento.tag,
            runtime=wish.runtime,
            image=wish.image,
            digest=wish.digest,
            models=production_of(wish.bento, self._own.models),
            settings=settings,
            created=datetime.now(UTC),
        )

    def _roll(self, state: Deployment, revision: Revision) -> Deployment:
        """Converge on *revision*, or else on what was current."""
        count = (self._place.read() or state).count
        state = state.with_revision(revision)
        state = state.model_copy(update={"target": revision.number})
        self._place.write(state)
        with self._rollout(state) as rollout:
            try:
                models = rollout.converge(revision)
            except (EkibenError, KeyboardInterrupt) as error:
                reason = str(error) or "interrupted"
                self._tell(f"{reason}; undoing")
                raise DeployFailed(f"{reason}; {self._undo(rollout, count)}") from None
            answering = revision.model_copy(update={"models": models})
            return self._finish(rollout.state, answering)

    def _undo(self, rollout: Rollout, count: int) -> str:
        """Go back to *count* replicas of what was current; return what became of it."""
        state = rollout.state
        if state.current is None:
            self._remove(state)
            return "nothing is deployed"
        current = state.revision(state.current)
        try:
            rollout.resize(count)
            rollout.converge(current)
        except EkibenError as error:
            return (
                f"undoing it failed too: {error}; `ekiben deploy --resume` tries again"
            )
        self._finish(rollout.state, current)
        return f"{current.bento} answers as before"

    def _finish(self, state: Deployment, revision: Revision) -> Deployment:
        """Write down that *revision* is what is deployed, and clear away what nobody needs."""
        done = state.finished(revision, datetime.now(UTC))
        wanted = {done.current, done.previous}
        kept = tuple(one for one in done.revisions if one.number in wanted)
        done = done.model_copy(update={"revisions": kept})
        self._place.write(done)
        for path in self._place.revision(0).parent.iterdir():
            if path.name not in {str(one.number) for one in kept}:
                shutil.rmtree(path, ignore_errors=True)
        return done

    def _remove(self, state: Deployment) -> None:
        with self._rollout(state) as rollout:
            self._balancer(state).stop()
            rollout.end()
        shutil.rmtree(self._place.path, ignore_errors=True)

    @contextmanager
    def _rollout(self, state: Deployment) -> Iterator[Rollout]:
        with PassingKey(self._own).lent() as key:
            yield Rollout(
                state,
                self._place.write,
                self._balancer(state),
                runtimes_of(self._place, self._environ, self._own.container_engine),
                partial(self._check, key),
                self._tell,
                self._wait,
            )

    def _balancer(self, state: Deployment) -> Balancer:
        return Balancer(self._place.balancer, state.host, state.port)

    def _check(self, key: PassingKey, revision: Revision) -> GoldenCheck:
        asks_for_keys = revision.settings.get("EKIBEN_AUTH") == "required"
        decimals = revision.settings.get("EKIBEN_PROBABILITY_DECIMALS")
        return GoldenCheck(
            Store.at(self._place.revision(revision.number)),
            revision.models,
            headers=key.headers() if asks_for_keys else {},
            decimals=int(decimals) if decimals else None,
        )


def runtimes_of(
    place: Place, environ: Mapping[str, str], engine_name: str | None = None
) -> Callable[[RuntimeName], Runtime]:
    """Return how replicas of *place* run, each way made when it is first needed."""

    @cache
    def runtime(name: RuntimeName) -> Runtime:
        if name == "process":
            return ProcessRuntime(place, environ)
        return ContainerRuntime(place, environ, find_engine(engine_name))

    return runtime
