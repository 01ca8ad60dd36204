"""What is deployed on this host, as a file that is whole at any moment: revisions and replicas."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ekiben.errors import DeployBusy, DeployRefused
from ekiben.registry.files import locked, replace_file
from ekiben.registry.tags import NAME

SLOTS = 17
"""Places in the balancer: for the most replicas, and the one that is to follow another."""
MOST_REPLICAS = SLOTS - 1
KEPT_REVISIONS = 3

RuntimeName = Literal["process", "container"]
State = Literal["starting", "live", "leaving"]


class Record(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Revision(Record):
    """One Bento with its settings, as it was deployed; `models` is what it answered with."""

    number: int
    bento: str
    runtime: RuntimeName
    image: str | None = None
    digest: str | None = None
    models: dict[str, str]
    settings: dict[str, str]
    created: datetime


class Replica(Record):
    """One server: where it is, and whether the balancer sends it requests."""

    number: int
    slot: int
    port: int
    revision: int
    state: State
    since: datetime


class Deployment(Record):
    """A balancer's address and the replicas behind it.

    `current` is the revision of the last roll-out that was finished, `target` the one of
    a roll-out that is under way or was broken off.
    """

    format: Literal[1] = 1
    name: str
    host: str
    port: int
    count: int
    revisions: tuple[Revision, ...] = ()
    current: int | None = None
    previous: int | None = None
    target: int | None = None
    since: datetime | None = None
    replicas: tuple[Replica, ...] = ()
    numbered: int = 0
    """Replicas that there ever were."""

    def revision(self, number: int) -> Revision:
        """Return the revision *number*, which is there."""
        return next(one for one in self.revisions if one.number == number)

    def with_revision(self, revision: Revision) -> "Deployment":
        """Return it with one revision more, without those that nobody needs."""
        kept = {self.current, self.previous, *(one.revision for one in self.replicas)}
        known = [one for one in self.revisions if one.number in kept]
        return self.model_copy(update={"revisions": (*known, revision)})

    def finished(self, revision: Revision, at: datetime) -> "Deployment":
        """Return it with *revision* as what is deployed since *at*."""
        update: dict[str, object] = {"target": None}
        if revision.number != self.current:
            update |= {
                "previous": self.current,
                "current": revision.number,
                "since": at,
            }
        others = [one for one in self.revisions if one.number != revision.number]
        update["revisions"] = tuple(
            sorted((*others, revision), key=lambda one: one.number)
        )
        return self.model_copy(update=update)

    def put(self, replica: Replica) -> "Deployment":
        """Return it with *replica*, in the place of what has the same number."""
        others = [one for one in self.replicas if one.number != replica.number]
        update: dict[str, object] = {
            "replicas": (*others, replica),
            "numbered": max(self.numbered, replica.number),
        }
        return self.model_copy(update=update)

    def without(self, replica: Replica) -> "Deployment":
        """Return it without *replica*."""
        others = [one for one in self.replicas if one.number != replica.number]
        return self.model_copy(update={"replicas": tuple(others)})

    def free_slot(self) -> int:
        """Return a place in the balancer that no replica has."""
        taken = {one.slot for one in self.replicas}
        return next(slot for slot in range(1, SLOTS + 1) if slot not in taken)


class Place:
    """The directory of one deployment."""

    def __init__(self, home: Path, name: str) -> None:
        if not NAME.fullmatch(name):
            raise DeployRefused(f"{name!r} is no name for a deployment")
        self.home = home.absolute()
        self.name = name
        self.path = self.home / "ekiben" / "deployments" / name
        self.file = self.path / "deployment.json"

    def read(self) -> Deployment | None:
        """Return what is deployed; None: nothing.

        Raises:
            DeployRefused: the file is not what was written.
        """
        try:
            return Deployment.model_validate_json(self.file.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            raise DeployRefused(f"{self.file}: {first['msg']}") from None

    def write(self, deployment: Deployment) -> None:
        """Keep *deployment*; a reader sees the old state or the new one."""
        content = deployment.model_dump_json(indent=1).encode() + b"\n"
        replace_file(self.file, content, scratch=self.file.with_suffix(".new"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other deploy of this name out; a killed one holds nothing.

        Raises:
            DeployBusy: another is at work.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with locked(self.path.with_name(f".{self.name}.lock"), wait=False):
                yield
        except BlockingIOError:
            raise DeployBusy(self.name) from None

    def revision(self, number: int) -> Path:
        """Return where the Bento and the models of a revision are."""
        return self.path / "revisions" / str(number)

    def replica(self, number: int) -> Path:
        """Return the directory of a replica."""
        return self.path / "replicas" / str(number)

    @property
    def balancer(self) -> Path:
        """The directory of the balancer."""
        return self.path / "balancer"


def names(home: Path) -> list[str]:
    """Return the names of all deployments of *home*."""
    found = (home / "ekiben" / "deployments").glob("*/deployment.json")
    return sorted(path.parent.name for path in found)
