"""Replicas as containers: what the engine is asked, and when one counts as ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from ekiben.errors import ContainerFailed, DeployFailed, DeployRefused
from ekiben.packaging.container_runtime import (
    ContainerRuntime,
    check_secrets,
    image_of,
)
from ekiben.packaging.containers import Confinement, Container, Engine
from ekiben.packaging.deployments import Place, Replica, Revision
from tests.unit.packaging.hosts import NOON, make_revision

SECRETS = {
    "EKIBEN_DATABASE_URL": "postgresql://ekiben:secret@db/ekiben",
    "EKIBEN_KEY_PEPPER": "p" * 32,
}
DIGEST = "sha256:" + "a" * 64
BENTO = "ekiben-server:b1"


@dataclass
class Podman:
    """An engine in memory."""

    containers: dict[str, Container] = field(default_factory=dict)
    images: dict[str, dict[str, str]] = field(
        default_factory=lambda: {DIGEST: {"ekiben.bento": BENTO}}
    )
    asked: list[dict[str, Any]] = field(default_factory=list)
    refuses: bool = False

    def container(self, name: str) -> Container | None:
        return self.containers.get(name)

    def run(self, image: str, name: str, **asked: Any) -> None:
        if self.refuses:
            raise ContainerFailed("podman", "run", "no such image")
        assert name not in self.containers
        self.asked.append({"image": image, "name": name, **asked})
        self.containers[name] = Container(name, image, True, "12:00", 0, {}, 7)

    def stop(self, name: str, seconds: int) -> None:
        assert seconds > 20
        self.containers[name] = replace(self.containers[name], running=False)

    def remove(self, name: str) -> None:
        self.containers.pop(name, None)

    def logs(self, name: str, lines: int = 50) -> str:
        return "first\nekiben: EKIBEN_MODELS: no use case x here\n"

    def digest(self, image: str) -> str:
        if image != BENTO:
            raise ContainerFailed("podman", "image", "no such image")
        return DIGEST

    def labels(self, image: str) -> Mapping[str, str]:
        return self.images[image]


@pytest.fixture
def podman() -> Podman:
    return Podman()


@pytest.fixture
def runtime(podman: Podman, tmp_path: Path) -> ContainerRuntime:
    place = Place(tmp_path, "ekiben")
    return ContainerRuntime(place, SECRETS, cast(Engine, podman))


def revision() -> Revision:
    settings = {"EKIBEN_MODELS": "iris", "EKIBEN_RUN_DIR": "/run/of/the/host"}
    return make_revision(1).model_copy(update={"digest": DIGEST, "settings": settings})


def replica(number: int = 1) -> Replica:
    return Replica(
        number=number, slot=1, port=3001, revision=1, state="starting", since=NOON
    )


def the_only(asked: Sequence[dict[str, Any]]) -> dict[str, Any]:
    (one,) = asked
    return one


def test_it_runs_by_digest_confined_and_reachable_by_this_host_only(
    runtime: ContainerRuntime, podman: Podman
) -> None:
    runtime.start(replica(), revision())

    asked = the_only(podman.asked)
    assert asked["image"] == DIGEST
    assert asked["ports"] == {"127.0.0.1:3001": 3000}
    assert "--restart=always" in asked["options"]
    assert isinstance(asked["confinement"], Confinement)
    assert "--read-only" in asked["confinement"].options()


def test_it_is_given_settings_and_secrets_but_no_path_of_this_host(
    runtime: ContainerRuntime, podman: Podman
) -> None:
    runtime.start(replica(), revision())

    given = the_only(podman.asked)["environment"]
    assert given == {"EKIBEN_IDLE_SECONDS": "75", "EKIBEN_MODELS": "iris", **SECRETS}


def test_what_runs_is_left_and_what_has_ended_is_run_anew(
    runtime: ContainerRuntime, podman: Podman
) -> None:
    runtime.start(replica(), revision())
    runtime.start(replica(), revision())
    assert len(podman.asked) == 1

    podman.stop(runtime.name(replica()), 25)
    assert not runtime.is_kept(replica())
    runtime.start(replica(), revision())

    assert len(podman.asked) == 2
    assert runtime.is_kept(replica())


def test_it_has_ended_when_it_stopped_or_was_started_again(
    runtime: ContainerRuntime, podman: Podman
) -> None:
    assert runtime.why_ended(replica()) == "it is gone"
    runtime.start(replica(), revision())
    assert runtime.why_ended(replica()) is None

    name = runtime.name(replica())
    podman.containers[name] = replace(podman.containers[name], started="12:01")

    assert runtime.why_ended(replica()) == "ekiben: EKIBEN_MODELS: no use case x here"


def test_it_is_stopped_then_removed_and_its_last_lines_stay(
    runtime: ContainerRuntime, podman: Podman
) -> None:
    runtime.start(replica(), revision())

    runtime.ask_to_end(replica())
    runtime.remove(replica())
    runtime.ask_to_end(replica())
    runtime.remove(replica())

    assert podman.containers == {}
    assert (runtime.place.path / "replicas" / "1.log").read_text().startswith("first")


def test_an_engine_that_refuses_fails_the_replica(
    runtime: ContainerRuntime, podman: Podman
) -> None:
    podman.refuses = True

    with pytest.raises(DeployFailed, match="no such image"):
        runtime.start(replica(), revision())


def test_names_differ_between_homes_and_replicas(
    runtime: ContainerRuntime, podman: Podman, tmp_path: Path
) -> None:
    other = ContainerRuntime(
        Place(tmp_path / "other", "ekiben"), {}, cast(Engine, podman)
    )

    names = {runtime.name(replica(1)), runtime.name(replica(2)), other.name(replica(1))}

    assert len(names) == 3


def test_only_an_image_of_the_very_bento_is_taken(podman: Podman) -> None:
    engine = cast(Engine, podman)
    assert image_of(engine, BENTO, BENTO) == DIGEST

    with pytest.raises(DeployRefused, match="ekiben containerize"):
        image_of(engine, "other:1", BENTO)
    with pytest.raises(DeployRefused, match="is of ekiben-server:b1, not of"):
        image_of(engine, BENTO, "ekiben-server:b2")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"EKIBEN_DATABASE_URL": SECRETS["EKIBEN_DATABASE_URL"]},
        SECRETS | {"EKIBEN_DATABASE_URL": "sqlite:////srv/ledger.db"},
    ],
)
def test_containers_without_a_database_that_they_see_are_refused(
    environ: dict[str, str],
) -> None:
    check_secrets(SECRETS)

    with pytest.raises(DeployRefused, match="PostgreSQL"):
        check_secrets(environ)
