"""The process that only looks after workers does not import what answers."""

import subprocess
import sys
from pathlib import Path

from tests.servers import PROJECT, environment

ANSWERS = {
    "_bentoml_impl.server.app",
    "ekiben.serving.application",
    "ekiben.serving.entrance",
    "ekiben.serving.roster",
    "ekiben.serving.worker",
    "jwt",
    "uvicorn",
}


def imported_by(statement: str, home: Path) -> set[str]:
    said = subprocess.run(
        [sys.executable, "-c", f"import sys\n{statement}\nprint(*sys.modules)"],
        cwd=PROJECT,
        env=environment(home),
        check=True,
        capture_output=True,
        text=True,
    )
    return set(said.stdout.split())


def test_the_service_alone_imports_nothing_that_answers(tmp_path: Path) -> None:
    assert ANSWERS & imported_by("import service", tmp_path) == set()


def test_its_application_does(tmp_path: Path) -> None:
    made = "import service\nservice.Ekiben.to_asgi()"

    assert imported_by(made, tmp_path) >= ANSWERS
