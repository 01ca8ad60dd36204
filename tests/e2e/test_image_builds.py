"""C-82, C-83: the same image from the same code, from locked wheels, without a network."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from ekiben.packaging.containers import Engine
from tests.criteria_plugin import Figure
from tests.e2e.conftest import NAME, WHEELS, Builds
from tests.e2e.contents import Contents
from tests.servers import PROJECT, environment

DIFFERENT = {"home/bentoml/bento/bento.yaml"}
"""What docs/deploy.md says differs: the Bento's own version and the time it was built."""
BY_THE_ENGINE = {"etc/hostname", "etc/hosts", "etc/resolv.conf", "run/.containerenv"}


def test_c82_two_builds_of_one_commit_hold_the_same_files_but_for_the_list(
    engine: Engine,
    builds: Builds,
    contents: Contents,
    tmp_path: Path,
    figure: Figure,
) -> None:
    second = Contents.of(engine, builds.second, tmp_path).fingerprints()
    first = contents.fingerprints()

    figure("image built from nothing beside another, s", round(builds.seconds))
    figure("files compared", len(first))
    differing = {
        path
        for path in first.keys() | second.keys()
        if first.get(path) != second.get(path)
    }
    assert differing - BY_THE_ENGINE == DIFFERENT


@pytest.fixture
def wheels(image: str, tmp_path: Path) -> Path:
    """A copy of the wheels, to be spoilt; *image* has them fetched."""
    (kept,) = [one for one in WHEELS.iterdir() if one.is_dir() and current(one)]
    copied = tmp_path / "wheels"
    shutil.copytree(kept, copied)
    return copied


def current(folder: Path) -> bool:
    return folder.stat().st_mtime == max(
        one.stat().st_mtime for one in WHEELS.iterdir() if one.is_dir()
    )


def refused(home: Path, bento: str, wheels: Path) -> str:
    """Return how the build with *wheels* failed."""
    name = f"{NAME}:refused"
    command = [sys.executable, "-m", "ekiben", "containerize", bento, "--tag", name]
    done = subprocess.run(
        [*command, "--wheels", str(wheels)],
        cwd=PROJECT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_c83_a_wheel_with_another_hash_fails_the_build(
    image_home: Path, bento: str, wheels: Path
) -> None:
    (victim,) = wheels.glob("a2wsgi-*.whl")
    with zipfile.ZipFile(victim, "a") as archive:
        archive.writestr("a2wsgi/more.py", "print('owned')\n")

    told = refused(image_home, bento, wheels)

    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in told or "hash" in told.lower()


def test_c83_a_missing_wheel_fails_the_build(
    image_home: Path, bento: str, wheels: Path
) -> None:
    (victim,) = wheels.glob("a2wsgi-*.whl")
    victim.unlink()

    told = refused(image_home, bento, wheels)

    assert "a2wsgi" in told


def test_c83_bentoml_lays_out_the_same_context_but_for_the_wheels(
    image_home: Path, bento: str, tmp_path: Path
) -> None:
    by_bentoml, ours = tmp_path / "bentoml", tmp_path / "ours"

    for script, target in ((BY_BENTOML, by_bentoml), (BY_US, ours)):
        subprocess.run(
            [sys.executable, "-c", script, bento, str(target)],
            # BentoML reads a template only below the current directory, and puts it into
            # the one for temporary files.
            cwd=tempfile.gettempdir(),
            env=environment(image_home) | {"PYTHONPATH": str(PROJECT)},
            check=True,
        )

    assert files(by_bentoml) == files(ours)


BY_BENTOML = """
import shutil, sys, bentoml
from bentoml._internal.container import construct_containerfile
with construct_containerfile(bentoml.get(sys.argv[1]), False) as (context, _):
    shutil.copytree(context, sys.argv[2])
"""
BY_US = """
import shutil, sys
from ekiben.packaging.bentos import find_bento
from ekiben.packaging.containerize import build_context
from ekiben.registry.store import Store
from ekiben.settings import Settings
home = Settings.from_env().home
with build_context(find_bento(home, "", sys.argv[1]), Store.at(home), None) as context:
    shutil.copytree(context, sys.argv[2])
"""


def files(root: Path) -> dict[str, bytes]:
    """Return every file and its content; what the layout of the image drops is left out."""
    return {
        os.path.relpath(path, root): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != "latest" and "__pycache__" not in path.parts
    }
