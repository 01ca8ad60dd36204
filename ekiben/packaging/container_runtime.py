"""Replicas as containers: hardened, started again by the engine, their keys in PostgreSQL."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from ekiben.errors import ContainerFailed, DeployFailed, DeployRefused
from ekiben.packaging.containers import Confinement, Engine
from ekiben.packaging.deployments import Place, Replica, Revision
from ekiben.packaging.runtimes import IDLE_SECONDS, SECRETS

LABEL = "ekiben.bento"
"""Of an image: the Bento that it was built from."""
PORT = 3000
STOP_SECONDS = 25
MEMORY_MEGABYTES = 1024
"""Five use cases take about 300 MB; the rest is for large requests and a new version."""
LOG_LINES = 200
HOST_ONLY = ("EKIBEN_RUN_DIR", "EKIBEN_CONTAINER_ENGINE")
"""Settings that would mean another thing inside."""


@dataclass
class ContainerRuntime:
    """Containers of *engine*; *environ* holds the secrets that they are given."""

    place: Place
    environ: Mapping[str, str]
    engine: Engine
    _started: dict[int, str] = field(default_factory=dict)

    def start(self, replica: Replica, revision: Revision) -> None:
        """Run the image of *revision*; the engine starts it again when it ends."""
        name = self.name(replica)
        found = self.engine.container(name)
        if found is not None and found.running:
            return
        self.engine.remove(name)
        try:
            self.engine.run(
                revision.digest or "",
                name,
                ports={f"127.0.0.1:{replica.port}": PORT},
                environment=container_environment(self.environ, revision.settings),
                labels={"ekiben.deployment": self.place.name},
                confinement=Confinement(memory_megabytes=MEMORY_MEGABYTES),
                options=["--restart=always"],
            )
        except ContainerFailed as error:
            raise DeployFailed(str(error)) from None

    def why_ended(self, replica: Replica) -> str | None:
        """Return its last line if it does not run, or runs for a second time."""
        found = self.engine.container(self.name(replica))
        if found is None:
            return "it is gone"
        first = self._started.setdefault(replica.number, found.started)
        if found.running and found.started == first:
            return None
        lines = self.engine.logs(self.name(replica)).strip().splitlines()
        return lines[-1][:300] if lines else f"exit code {found.exit_code}"

    def is_kept(self, replica: Replica) -> bool:
        """Whether it runs; what runs, the engine starts again."""
        found = self.engine.container(self.name(replica))
        return found is not None and found.running

    def ask_to_end(self, replica: Replica) -> None:
        """Stop it: SIGTERM, on which the server drains. Waits for the end."""
        if self.is_kept(replica):
            self.engine.stop(self.name(replica), STOP_SECONDS)

    def remove(self, replica: Replica) -> None:
        """Remove it; its last lines stay."""
        name = self.name(replica)
        if self.engine.container(name) is not None:
            log = self.place.replica(replica.number).with_suffix(".log")
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(self.engine.logs(name, LOG_LINES))
        self.engine.remove(name)

    def name(self, replica: Replica) -> str:
        """Return the container's name: unlike that of any other deployment's on this host."""
        home = hashlib.sha256(str(self.place.path).encode()).hexdigest()[:8]
        return f"ekiben-{self.place.name}-{home}-{replica.number}"


def container_environment(
    environ: Mapping[str, str], settings: Mapping[str, str]
) -> dict[str, str]:
    """Return what a container is given: the settings of its revision, secrets of *environ*."""
    kept = {name: value for name, value in settings.items() if name not in HOST_ONLY}
    secrets = {name: environ[name] for name in SECRETS if environ.get(name)}
    return {"EKIBEN_IDLE_SECONDS": IDLE_SECONDS, **kept, **secrets}


def image_of(engine: Engine, image: str, bento: str) -> str:
    """Return the digest of *image*, which has to be of *bento*.

    Raises:
        DeployRefused: there is none, or it is of another.
    """
    try:
        digest = engine.digest(image)
    except ContainerFailed:
        raise DeployRefused(
            f"there is no image {image}; `ekiben containerize` builds it"
        ) from None
    found = engine.labels(digest).get(LABEL)
    if found != bento:
        raise DeployRefused(f"the image {image} is of {found}, not of {bento}")
    return digest


def check_secrets(environ: Mapping[str, str]) -> None:
    """Refuse to run containers that could let nobody in.

    Raises:
        DeployRefused: their keys would be in a file that they do not see.
    """
    missing = [name for name in SECRETS if not environ.get(name)]
    if missing or environ["EKIBEN_DATABASE_URL"].startswith("sqlite"):
        raise DeployRefused(
            "containers ask for keys, and find them in PostgreSQL: set "
            "EKIBEN_DATABASE_URL and EKIBEN_KEY_PEPPER, or use --runtime process"
        )
