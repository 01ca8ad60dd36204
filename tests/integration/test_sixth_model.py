"""A user's own model, added by the steps of docs/adding-a-model.md to a copy of the project."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import PROJECT, Server, environment, serve

pytestmark = pytest.mark.server

PAGE = PROJECT / "docs" / "adding-a-model.md"
WINE = {"alcohol": 13.2, "flavanoids": 2.8, "proline": 1050.0}
POISON = 4999.0


def apply_page(project: Path) -> None:
    """Do what the page says: write its files, apply its changes."""
    page = PAGE.read_text()
    for name, content in re.findall(
        r"File `([^`]+)`:\n\n```python\n(.*?)```", page, re.S
    ):
        (project / name).write_text(content)
    for change in re.findall(r"```diff\n(.*?)```", page, re.S):
        subprocess.run(
            ["git", "apply", "--recount", "--unidiff-zero", "-"],
            cwd=project,
            input=change,
            text=True,
            check=True,
        )


def copy_project(target: Path) -> None:
    shutil.copytree(
        PROJECT / "ekiben",
        target / "ekiben",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("service.py", "train.py"):
        shutil.copy(PROJECT / name, target / name)
    # git apply looks for paths from the top of a repository.
    subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)


def train_wine(project: Path, home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "train.py", "wine", "--promote", "--json"],
        cwd=project,
        env=environment(home, {"PYTHONPATH": str(project)}),
        capture_output=True,
        text=True,
        check=True,
    )
    tag: str = json.loads(done.stdout)[0]["tag"]
    return tag


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("project")
    copy_project(path)
    apply_page(path)
    return path


@pytest.fixture(scope="module")
def wine_server(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, str]]:
    home = tmp_path_factory.mktemp("wine")
    tag = train_wine(project, home)
    extra = {"PYTHONPATH": str(project), "EKIBEN_MODELS": "wine"}
    with serve(home, cwd=project, extra=extra) as running:
        yield running, tag


def test_the_page_s_endpoint_answers_with_the_version_that_was_trained(
    wine_server: tuple[Server, str],
) -> None:
    server, tag = wine_server

    response = httpx.post(f"{server.url}/v1/wine/predict", json={"rows": [WINE] * 3})

    assert response.status_code == 200
    assert [one["cultivar"] for one in response.json()] == ["one"] * 3
    assert response.headers["x-model"] == tag


def test_the_new_model_has_its_card_its_schema_and_its_errors(
    wine_server: tuple[Server, str],
) -> None:
    server, tag = wine_server
    with server.client() as client:
        card = client.get("/v1/models/wine").json()
        paths = client.get("/openapi.json").json()["paths"]
        wrong = client.post("/v1/wine/predict", json={"rows": [WINE | {"alcohol": 99}]})

    assert card["tag"] == tag
    assert card["evaluation"]["overall"]["accuracy"]["value"] > 0.85
    assert "/v1/wine/predict" in paths
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["loc"] == ["rows", 0, "alcohol"]


def test_an_endpoint_that_was_forgotten_stops_the_start_with_one_line(
    project: Path, tmp_path: Path
) -> None:
    shutil.copytree(project / "ekiben", tmp_path / "ekiben")
    shutil.copy(PROJECT / "service.py", tmp_path / "service.py")

    done = subprocess.run(
        [sys.executable, "-c", "import service"],
        cwd=tmp_path,
        env=environment(tmp_path, {"PYTHONPATH": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.strip() == (
        "ekiben: service.py declares no endpoint /v1/wine/predict for wine"
    )


@pytest.fixture(scope="module")
def poisoned_server(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The wine model, made to raise on one amount of proline."""
    path = tmp_path_factory.mktemp("poisoned")
    shutil.copytree(project / "ekiben", path / "ekiben")
    shutil.copy(project / "service.py", path / "service.py")
    shutil.copy(project / "train.py", path / "train.py")
    wine = path / "ekiben" / "use_cases" / "wine.py"
    wine.write_text(
        wine.read_text()
        .replace(
            "scorer=lambda pipeline: pipeline.predict_proba",
            "scorer=poisoned",
        )
        .replace(
            "WINE = UseCase(",
            f"""def poisoned(pipeline: Any) -> Any:
    def score(features: Floats) -> Floats:
        if ({POISON} == features).any():
            raise RuntimeError("poisoned")
        return pipeline.predict_proba(features)

    return score


WINE = UseCase(""",
        )
    )
    home = tmp_path_factory.mktemp("poisoned-home")
    train_wine(path, home)
    extra = {"PYTHONPATH": str(path), "EKIBEN_MODELS": "wine"}
    with serve(home, cwd=path, extra=extra) as running:
        yield running


def test_one_poisoned_request_among_32_fails_alone(poisoned_server: Server) -> None:
    async def rounds() -> list[list[httpx.Response]]:
        async with httpx.AsyncClient(
            base_url=poisoned_server.url, timeout=30
        ) as client:
            found = []
            for guilty in range(0, 32, 4):
                bodies = [
                    {"rows": [WINE | {"proline": POISON if n == guilty else 500.0 + n}]}
                    for n in range(32)
                ]
                calls = (client.post("/v1/wine/predict", json=body) for body in bodies)
                found.append(list(await asyncio.gather(*calls)))
            return found

    for number, responses in enumerate(asyncio.run(rounds())):
        statuses = [response.status_code for response in responses]
        guilty = number * 4
        assert statuses[guilty] == 500
        assert responses[guilty].json()["code"] == "internal"
        assert "poisoned" not in responses[guilty].text
        assert [s for n, s in enumerate(statuses) if n != guilty] == [200] * 31
