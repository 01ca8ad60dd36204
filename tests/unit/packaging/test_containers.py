"""Engines, by programs that only note how they were called."""

import json
from pathlib import Path

import pytest

from ekiben.errors import ContainerFailed, NoContainerEngine
from ekiben.packaging.containers import Confinement, Engine, find_engine

NOTES = """#!/bin/sh
printf '%s\\n' "$@" >>"$0.called"
env >"$0.environ"
case "$1" in --version|info|inspect|image) echo 28.0;; esac
"""
BROKEN = "#!/bin/sh\necho one >&2; echo 'Cannot connect to the daemon' >&2; exit 1\n"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name in ("docker", "podman", "buildah"):
        install(tmp_path, name, NOTES)
    return tmp_path


def install(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)


def called(programs: Path, name: str) -> list[str]:
    return (programs / f"{name}.called").read_text().splitlines()


def test_docker_goes_first_then_podman_then_buildah(programs: Path) -> None:
    assert find_engine().name == "docker"
    install(programs, "docker", BROKEN)
    assert find_engine().name == "podman"
    install(programs, "podman", BROKEN)
    assert find_engine().name == "buildah"


def test_where_none_works_one_line_says_so(programs: Path) -> None:
    for name in ("docker", "podman", "buildah"):
        install(programs, name, BROKEN)

    with pytest.raises(NoContainerEngine, match="none of docker, podman, buildah"):
        find_engine()


def test_the_one_that_is_asked_for_or_none(programs: Path) -> None:
    assert find_engine("podman").name == "podman"
    install(programs, "podman", BROKEN)
    with pytest.raises(NoContainerEngine, match="podman does not answer"):
        find_engine("podman")
    with pytest.raises(NoContainerEngine, match="'rkt' is none of"):
        find_engine("rkt")


def test_a_build_says_where_from_and_what_for(programs: Path) -> None:
    engine = find_engine("podman")

    engine.build(
        Path("/context"),
        "a:b",
        arguments={"BASE_IMAGE": "c"},
        labels={"x": "y"},
        network="none",
        timestamp=0,
    )

    words = called(programs, "podman")
    assert {"--tag=a:b", "--build-arg=BASE_IMAGE=c", "--label=x=y"} <= set(words)
    assert {"--network=none", "--timestamp=0", "/context"} <= set(words)
    assert "--no-cache" not in words


@pytest.mark.parametrize(
    ("name", "has", "has_not"),
    [
        ("docker", ["--build-arg=SOURCE_DATE_EPOCH=0"], ["--format=docker"]),
        ("podman", ["--format=docker", "--timestamp=0", "--layers"], []),
        ("buildah", ["--format=docker", "--timestamp=0", "--layers"], []),
    ],
)
def test_each_engine_is_told_in_its_own_words(
    name: str, has: list[str], has_not: list[str]
) -> None:
    words = Engine(name, name)._build_command(0)

    assert words[0] == "build"
    assert set(has) <= set(words)
    assert not set(has_not) & set(words)


def test_values_of_the_environment_are_not_on_the_command_line(programs: Path) -> None:
    find_engine("docker").run(
        "image",
        "name",
        ports={"127.0.0.1:3001": 3000},
        environment={"EKIBEN_KEY_PEPPER": "hush"},
        mounts={Path("/here"): "/there"},
        confinement=Confinement(),
    )

    words = called(programs, "docker")
    assert "--env=EKIBEN_KEY_PEPPER" in words
    assert "hush" not in " ".join(words)
    assert "EKIBEN_KEY_PEPPER=hush" in (programs / "docker.environ").read_text()
    assert "--publish=127.0.0.1:3001:3000" in words
    assert "--volume=/here:/there:ro" in words
    assert {"--read-only", "--cap-drop=ALL", "--pids-limit=256"} <= set(words)
    assert {"--memory=512m", "--security-opt=no-new-privileges"} <= set(words)


def test_a_refusal_ends_with_the_engines_last_words(programs: Path) -> None:
    install(programs, "podman", BROKEN)

    with pytest.raises(ContainerFailed, match=r"^podman run failed: one / Cannot conn"):
        Engine("podman", "podman").run("image", "name")


def test_buildah_is_not_asked_to_run(programs: Path) -> None:
    with pytest.raises(NoContainerEngine, match="buildah only builds"):
        find_engine("buildah").run("image", "name")


def test_a_container_is_read_from_what_the_engine_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [
        {
            "Name": "/one",
            "Image": "abc",
            "State": {
                "Running": True,
                "StartedAt": "2026-01-01T00:00:00Z",
                "ExitCode": 0,
                "Pid": 42,
            },
            "Config": {"Labels": None},
        }
    ]
    install(tmp_path, "docker", f"#!/bin/sh\necho '{json.dumps(told)}'\n")

    found = Engine("docker", str(tmp_path / "docker")).container("one")

    assert found is not None
    assert (found.name, found.image, found.pid) == ("one", "sha256:abc", 42)
    assert found.running
    assert found.labels == {}
