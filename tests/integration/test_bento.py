"""Bentos: built both ways, with exact tags inside, served away from the project."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from ekiben.use_cases.catalog import USE_CASES
from tests.servers import PROJECT, Server, environment, serve
from tests.tiny import productions

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def own_home(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained store, so that Bentos and metrics stay out of the shared one."""
    path = tmp_path_factory.mktemp("bento-home")
    shutil.copytree(home / "models", path / "models")
    shutil.copytree(home / "ekiben", path / "ekiben")
    return path


def production_tags(home: Path) -> dict[str, str]:
    return {name: alias.tag for name, alias in productions(home).items()}


def ekiben_build(home: Path, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ekiben", "build", "--json", *options],
        cwd=PROJECT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    tag: str = json.loads(done.stdout)["bento"]
    return tag


def bentoml_build(home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "build", "--output", "tag"],
        cwd=PROJECT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().rpartition("__tag__:")[2]


def described(home: Path, tag: str) -> dict[str, Any]:
    path = home / "bentos" / tag.replace(":", "/") / "bento.yaml"
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def packed(home: Path, tag: str) -> set[str]:
    (service,) = described(home, tag)["services"]
    return {model["tag"] for model in service["models"]}


def answers(server: Server) -> dict[str, Any]:
    """Return what every use case answers to its examples, without the ids."""
    found = {}
    for use_case in USE_CASES:
        response = httpx.post(
            f"{server.url}/v1/{use_case.name}/predict",
            json={"rows": use_case.examples},
        )
        assert response.status_code == 200, response.text
        found[use_case.name] = [{**one, "prediction_id": ""} for one in response.json()]
    return found


@pytest.mark.parametrize("build", [ekiben_build, bentoml_build])
def test_a_bento_served_from_elsewhere_answers_the_same_and_ignores_promotions(
    own_home: Path,
    server: Server,
    tmp_path: Path,
    build: Callable[[Path], str],
) -> None:
    tags = production_tags(own_home)
    bento = build(own_home)
    ledger = own_home / "ekiben" / "ledger.db"

    assert packed(own_home, bento) == set(tags.values())
    ledger.rename(own_home / "ekiben" / "moved")
    try:
        with serve(own_home, target=bento, cwd=tmp_path) as running:
            assert answers(running) == answers(server)
    finally:
        assert not ledger.exists(), "a pinned server was to ask no ledger"
        (own_home / "ekiben" / "moved").rename(ledger)


def test_a_bento_runs_its_own_code_whatever_is_installed(
    own_home: Path, tmp_path: Path
) -> None:
    bento = ekiben_build(own_home, "--use-case", "iris")
    package = own_home / "bentos" / bento.replace(":", "/") / "src" / "ekiben"
    init = package / "__init__.py"
    init.write_text(init.read_text().replace('__version__ = "', '__version__ = "7.'))

    with serve(own_home, target=bento, cwd=tmp_path) as running, running.client() as c:
        version = c.get("/openapi.json").json()["info"]["version"]

    assert version.startswith("7.")


def test_a_bento_of_one_use_case_packs_and_serves_that_one(
    own_home: Path, tmp_path: Path
) -> None:
    bento = ekiben_build(own_home, "--use-case", "turnover")

    assert packed(own_home, bento) == {production_tags(own_home)["turnover"]}
    with serve(own_home, target=bento, cwd=tmp_path) as running, running.client() as c:
        listed = [one["use_case"] for one in c.get("/v1/models").json()]
        iris = c.post("/v1/iris/predict", json={"rows": USE_CASES[0].examples})
        turnover = c.post("/v1/turnover/predict", json={"rows": USE_CASES[1].examples})
    assert listed == ["turnover"]
    assert iris.status_code == 404
    assert turnover.status_code == 200


def test_a_subset_of_the_source_tree_is_served_when_the_setting_says_so(
    own_home: Path,
) -> None:
    with (
        serve(own_home, extra={"EKIBEN_MODELS": "turnover,spam"}) as running,
        running.client() as c,
    ):
        listed = [one["use_case"] for one in c.get("/v1/models").json()]
        paths = c.get("/openapi.json").json()["paths"]
        fraud = c.post("/v1/fraud/predict", json={"rows": USE_CASES[2].examples})
    assert listed == ["turnover", "spam"]
    assert "/v1/spam/predict" in paths
    assert "/v1/fraud/predict" not in paths
    assert fraud.status_code == 404


def test_c80_c81_a_bento_holds_code_locks_and_our_dockerfile_and_nothing_else(
    own_home: Path,
) -> None:
    bento = ekiben_build(own_home)
    folder = own_home / "bentos" / bento.replace(":", "/")

    files = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    code = {
        f"src/{path.relative_to(PROJECT).as_posix()}"
        for pattern in ("*.py", "*.html")
        for path in (PROJECT / "ekiben").rglob(pattern)
    }
    assert code <= files
    assert {one for one in files - code if one.startswith("src/")} == {
        "src/service.py",
        "src/bentofile.yaml",
        "src/README.md",
        "src/requirements-serving.lock",
        "src/requirements-image.lock",
        "src/ekiben/packaging/image/Dockerfile.j2",
    }
    openapi = yaml.safe_load((folder / "apis" / "openapi.yaml").read_text())
    assert openapi["openapi"].startswith("3.1")
    assert "/v1/iris/predict" in openapi["paths"]
    locked = (folder / "env" / "python" / "requirements.txt").read_text()
    assert "--hash=sha256:" in locked
    golden = Path(__file__).with_name("golden") / "Dockerfile"
    made = (folder / "env" / "docker" / "Dockerfile").read_text()
    assert made == golden.read_text(), "look at the change, then copy it to golden/"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param("nothing-promoted", "no version of iris is promoted", id="none"),
        pytest.param("bit-flip", "refused", id="damaged"),
    ],
)
def test_a_build_without_sound_versions_is_refused_in_one_line(
    own_home: Path, tmp_path: Path, damage: str, message: str
) -> None:
    shutil.copytree(own_home / "models", tmp_path / "models")
    if damage == "bit-flip":
        shutil.copytree(own_home / "ekiben", tmp_path / "ekiben")
        tag = production_tags(tmp_path)["iris"]
        path = tmp_path / "models" / tag.replace(":", "/") / "saved_model.pkl"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    done = subprocess.run(
        [sys.executable, "-m", "ekiben", "build"],
        cwd=PROJECT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
