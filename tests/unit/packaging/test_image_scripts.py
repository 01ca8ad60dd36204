"""The scripts inside the image: start, health check, layout."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pyarrow
import pytest

from ekiben.packaging.image.health import port_of, reason_against
from ekiben.packaging.image.lay_out import (
    lay_out_bento,
    lay_out_environment,
    remove_unused,
)
from ekiben.packaging.image.start import command
from tests.servers import free_port

ENVIRON = {"BENTO_PATH": "/bento"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["bentoml", "serve", "/bento"]),
        (["--port", "8080"], ["bentoml", "serve", "--port", "8080", "/bento"]),
        (["serve"], ["bentoml", "serve", "/bento"]),
        (["serve", "--port", "1"], ["bentoml", "serve", "--port", "1", "/bento"]),
        (["ekiben", "keys", "list"], ["ekiben", "keys", "list"]),
        (["sh", "-c", "id"], ["sh", "-c", "id"]),
    ],
)
def test_the_image_serves_or_runs_what_it_is_told(
    arguments: list[str], expected: list[str]
) -> None:
    assert command(arguments, ENVIRON) == expected


class Answers(BaseHTTPRequestHandler):
    """Answers each path with the status that the server was told."""

    def do_GET(self) -> None:
        statuses: dict[str, int] = self.server.statuses  # type: ignore[attr-defined]
        self.send_response(statuses[self.path])
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    server.statuses = request.param  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("answering", "reason"),
    [
        ({"/livez": 200, "/readyz": 200}, None),
        ({"/livez": 200, "/readyz": 503}, "/readyz: 503"),
        ({"/livez": 503, "/readyz": 200}, "/livez: 503"),
    ],
    indirect=["answering"],
)
def test_healthy_is_who_lives_and_is_ready(answering: int, reason: str | None) -> None:
    assert reason_against("127.0.0.1", answering) == reason


def test_who_does_not_answer_is_not_healthy() -> None:
    found = reason_against("127.0.0.1", free_port())

    assert found is not None
    assert "/livez" in found


def test_the_port_is_the_servers() -> None:
    assert port_of({}) == 3000
    assert port_of({"BENTOML_PORT": "8080"}) == 8080


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A build context as BentoML lays it out."""
    root = tmp_path / "context"
    for path, content in {
        "bento.yaml": "name: x",
        "README.md": "x",
        "apis/openapi.yaml": "x",
        "env/docker/Dockerfile": "FROM x",
        "env/python/wheels/x.whl": "x",
        "src/service.py": "x = 1\n",
        "src/ekiben/__init__.py": "",
        "models/iris/latest": "a1",
        "models/iris/a1/model.yaml": "x",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    (root / "src" / "service.py").chmod(0o666)
    return root


def names(root: Path) -> set[str]:
    return {str(one.relative_to(root)) for one in root.rglob("*") if one.is_file()}


def test_a_bento_is_laid_out_without_what_only_the_build_needs(
    context: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out" / "bento"

    lay_out_bento(context, target)

    kept = {one for one in names(target) if "__pycache__" not in one}
    assert kept == {
        *("bento.yaml", "README.md", "apis/openapi.yaml"),
        *("src/service.py", "src/ekiben/__init__.py"),
    }
    assert names(target.parent / "models") == {"iris/a1/model.yaml"}
    for path in [*target.rglob("*"), *(target.parent / "models").rglob("*")]:
        expected = 0o555 if path.is_dir() else 0o444
        assert path.stat().st_mode & 0o777 == expected, path
        assert path.stat().st_mtime == 0


def test_bytecode_is_used_whatever_the_times_say(context: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "bento"
    lay_out_bento(context, target)

    (compiled,) = (target / "src" / "__pycache__").glob("service.*.pyc")

    # The flags after the magic number: by hash, and never compared with the source.
    assert int.from_bytes(compiled.read_bytes()[4:8], "little") == 0b01


def test_two_layouts_of_the_same_are_the_same(context: Path, tmp_path: Path) -> None:
    # Where a module lies is in its bytecode, so both are laid out in one place.
    for name in ("first", "second"):
        lay_out_bento(context, tmp_path / "out" / "bento")
        (tmp_path / "out").rename(tmp_path / name)
        os.utime(context / "src" / "service.py")

    first, second = tmp_path / "first", tmp_path / "second"

    assert names(first) == names(second)
    same = [(first / n).read_bytes() == (second / n).read_bytes() for n in names(first)]
    assert all(same)


def test_an_environment_gets_the_command_and_libgomp_and_loses_tests(
    tmp_path: Path,
) -> None:
    packages = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    (packages / "scipy" / "tests").mkdir(parents=True)
    (packages / "scipy" / "tests" / "test_x.py").write_text("")
    (packages / "scipy" / "a.py").write_text("")
    (packages / "tornado" / "test").mkdir(parents=True)
    (packages / "tornado" / "test" / "tests.key").write_text("")
    (packages / "tornado" / "testing.py").write_text("")
    (packages / "scikit_learn.libs").mkdir()
    (packages / "scikit_learn.libs" / "libgomp-1.so.1.0.0").write_text("")
    (tmp_path / "venv" / "bin").mkdir()

    lay_out_environment(tmp_path / "venv", Path("/bento"))

    found = names(tmp_path / "venv")
    assert not [one for one in found if "tests" in one]
    assert "lib/python3.11/site-packages/tornado/testing.py" in found
    assert (tmp_path / "venv/lib/libgomp.so.1").is_symlink()
    command = tmp_path / "venv/bin/ekiben"
    assert command.read_text().startswith(f"#!{tmp_path}/venv/bin/python\n")
    assert command.stat().st_mode & 0o777 == 0o555
    assert (packages / "ekiben-of-the-bento.pth").read_text() == "/bento/src\n"


def test_an_environment_loses_what_no_server_uses_of_pyarrow(tmp_path: Path) -> None:
    arrow = tmp_path / "venv" / "lib" / "python3.11" / "site-packages" / "pyarrow"
    (arrow / "include" / "arrow").mkdir(parents=True)
    (arrow / "include" / "arrow" / "api.h").write_text("")
    for name in ("libarrow_s3.so.2600", "libarrow_flight.so.2600", "libarrow.so.2600"):
        (arrow / name).write_text("")
    (tmp_path / "venv" / "bin").mkdir()

    lay_out_environment(tmp_path / "venv", Path("/bento"))

    assert [path.name for path in arrow.iterdir()] == ["libarrow.so.2600"]


def test_the_library_of_tables_works_without_what_an_image_loses(
    tmp_path: Path,
) -> None:
    """On a new release of it this fails before an image is built."""
    found = Path(pyarrow.__file__).parent
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    shutil.copytree(found, packages / "pyarrow", symlinks=True)
    remove_unused(tmp_path)
    program = "import pyarrow, pyarrow.ipc, pyarrow.parquet; print(pyarrow.__file__)"

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(packages)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.strip() == f"{packages}/pyarrow/__init__.py", done.stderr
    assert not list((packages / "pyarrow").glob("libarrow_flight*"))
