"""C-80: a real build in a project full of what must not get out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ekiben.errors import BuildRefused
from ekiben.packaging import build as packaging
from ekiben.settings import Settings
from tests.servers import environment

SERVICE = """
import bentoml

@bentoml.service(name="small")
class Small:
    @bentoml.api
    def ask(self) -> str:
        return "x"
"""
BENTOFILE = """
service: "service:Small"
name: small
include: {include}
"""
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAvZ9mQ3fV8aXl\n"
CAREFUL = '["/service.py", "/code/**/*.py"]'
CARELESS = '["*"]'
LURKING = {"code/passwd.py", ".env", "id_rsa", "large.py"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a link, secrets and a sparse file of 1 GB, and its own home."""
    path = tmp_path / "project"
    (path / "code").mkdir(parents=True)
    (path / "service.py").write_text(SERVICE)
    (path / "code" / "part.py").write_text("")
    (path / "code" / "passwd.py").symlink_to("/etc/passwd")
    (path / ".env").write_text("PASSWORD=hunter2")
    (path / "id_rsa").write_text(KEY)
    with (path / "large.py").open("wb") as file:
        file.truncate(2**30)
    for name, value in environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    return path


def build(project: Path, include: str) -> Path:
    """Build by our own builder; return the Bento's code."""
    (project / "bentofile.yaml").write_text(BENTOFILE.format(include=include))
    home = project.parent / "home"
    built = packaging.build(project, Settings(home=home), [])
    return home.joinpath("bentos", *built.tag.split(":"), "src")


def listed(source: Path) -> set[str]:
    return {
        os.path.join(directory, name).removeprefix(f"{source}/")
        for directory, _, names in os.walk(source)
        for name in names
    }


@pytest.mark.parametrize("include", [CAREFUL, CARELESS], ids=["careful", "careless"])
def test_c80_a_build_with_anything_else_than_code_is_refused(
    project: Path, include: str
) -> None:
    with pytest.raises(BuildRefused, match="must not be in a Bento"):
        build(project, include)

    assert not list((project.parent / "home").glob("bentos/small/*/src"))


def test_c80_without_the_link_a_careful_build_holds_the_code_and_nothing_else(
    project: Path,
) -> None:
    (project / "code" / "passwd.py").unlink()

    source = build(project, CAREFUL)

    assert listed(source) == {"service.py", "code/part.py", "bentofile.yaml"}


def test_c80_an_include_that_leaves_the_project_is_refused(project: Path) -> None:
    with pytest.raises(BuildRefused, match="leaves the project"):
        build(project, '["/service.py", "../outside.py"]')


def test_c80_teeth_bentoml_alone_packs_the_link_the_secrets_and_the_large_file(
    project: Path,
) -> None:
    (project / "bentofile.yaml").write_text(BENTOFILE.format(include=CARELESS))

    subprocess.run(
        [sys.executable, "-m", "bentoml", "build"],
        cwd=project,
        capture_output=True,
        check=True,
    )

    (source,) = (project.parent / "home").glob("bentos/small/*/src")
    assert listed(source) >= LURKING
    assert (source / ".env").read_text() == "PASSWORD=hunter2"
