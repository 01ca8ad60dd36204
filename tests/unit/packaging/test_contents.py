"""C-80: what may not be in a Bento is found before anything is copied."""

from pathlib import Path

import pytest

from ekiben.errors import BuildRefused
from ekiben.packaging.contents import LARGEST, check_bento, check_files, included

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU=\n"
EVERYTHING = ["*"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "ekiben").mkdir()
    (tmp_path / "service.py").write_text("x = 1\n")
    (tmp_path / "ekiben" / "code.py").write_text("y = 1\n")
    return tmp_path


def found(project: Path, *include: str) -> set[str]:
    paths = included(project, include or EVERYTHING, ())
    check_files(project, sorted(paths))
    return paths


def test_code_is_let_through(project: Path) -> None:
    assert found(project) == {"service.py", "ekiben/code.py"}
    assert found(project, "/service.py") == {"service.py"}
    assert included(project, EVERYTHING, ["/ekiben/"]) == {"service.py"}


@pytest.mark.parametrize("left_out", [".git", ".venv", "venv", "__pycache__"])
def test_what_bentoml_leaves_out_is_left_out(project: Path, left_out: str) -> None:
    (project / left_out).mkdir()
    (project / left_out / "x.py").write_text("")

    assert found(project) == {"service.py", "ekiben/code.py"}


def test_c80_a_link_is_refused(project: Path) -> None:
    (project / "ekiben" / "notes.py").symlink_to("/etc/passwd")

    with pytest.raises(BuildRefused, match=r"ekiben/notes.py .* it is a link"):
        found(project)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (".env", "PASSWORD=x", "it is hidden"),
        ("ekiben/.secrets/a.py", "x", "it is hidden"),
        ("id_ed25519", KEY, "of the kind id_ed25519"),
        ("server.pem", KEY, "of the kind .pem"),
        ("ekiben/keys.py", f"KEY = '''{KEY}'''", "it holds a private key"),
        ("table.csv", "a,b", "of the kind .csv"),
        ("model.pkl", "x", "of the kind .pkl"),
    ],
)
def test_c80_what_is_no_code_is_refused(
    project: Path, name: str, content: str, reason: str
) -> None:
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text(content)

    with pytest.raises(BuildRefused, match=reason):
        found(project)


def test_c80_a_large_file_is_refused_without_being_read(project: Path) -> None:
    with (project / "ekiben" / "large.py").open("wb") as file:
        file.truncate(2**30)

    with pytest.raises(BuildRefused, match=f"more than {LARGEST}"):
        found(project)


def test_c80_a_bento_with_another_file_than_was_checked_is_refused(
    tmp_path: Path,
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "service.py").write_text("")
    (tmp_path / "src" / "bentofile.yaml").write_text("")
    check_bento(tmp_path, {"service.py"})
    (tmp_path / "src" / "late.py").write_text("")

    with pytest.raises(BuildRefused, match=r"late.py is in the Bento"):
        check_bento(tmp_path, {"service.py"})
