"""`ekiben train`: one line per version, promotion, and wrong usage."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ekiben.cli import app
from ekiben.compiled.artefact import Artefact, NotCompilable
from ekiben.registry.store import Store
from ekiben.use_cases.iris import IRIS
from tests.tiny import productions

runner = CliRunner()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EKIBEN_OFFLINE", "1")
    monkeypatch.delenv("EKIBEN_DATA_DIR", raising=False)
    monkeypatch.delenv("EKIBEN_MODELS", raising=False)
    return tmp_path / "home"


@pytest.mark.models
def test_a_version_is_registered_and_told_in_one_line(home: Path) -> None:
    result = runner.invoke(app, ["train", "iris"])

    [tag] = Store.at(home).tags()
    [line] = result.stdout.splitlines()
    assert result.exit_code == 0
    assert line.startswith(f"{tag}  accuracy 0.")
    assert "real data, 149 rows" in line
    assert "not compiled" not in line
    assert productions(home) == {}


@pytest.mark.models
def test_a_version_that_could_not_be_compiled_is_told_with_the_reason(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(_: object) -> Artefact:
        raise NotCompilable("it is made of glass")

    glass = replace(IRIS, compile=refuses)
    monkeypatch.setattr("ekiben.cli.train.get_use_case", lambda name: glass)

    told = runner.invoke(app, ["train", "iris"])
    as_json = runner.invoke(app, ["train", "iris", "--json"])

    assert "not compiled: it is made of glass" in told.stdout
    [facts] = json.loads(as_json.stdout)
    assert facts["compiled"]["serves"] == "native"
    assert all(Store.at(home).verify(tag) for tag in Store.at(home).tags())


@pytest.mark.models
def test_promotion_moves_production_to_the_new_version(home: Path) -> None:
    result = runner.invoke(app, ["train", "iris", "--promote", "--json"])

    [facts] = json.loads(result.stdout)
    alias = productions(home)["iris"]
    assert alias.tag == facts["tag"]
    assert alias.digest == Store.at(home).manifest(alias.tag).digest
    assert facts["promoted"] is True
    assert facts["metrics"]["accuracy"]["low"] <= facts["metrics"]["accuracy"]["value"]


@pytest.mark.models
def test_what_has_a_production_version_is_not_missing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EKIBEN_MODELS", "iris")

    first = runner.invoke(app, ["train", "--missing", "--promote"])
    second = runner.invoke(app, ["train", "--missing", "--promote"])

    assert len(first.stdout.splitlines()) == 1
    assert second.exit_code == 0
    assert second.stdout == ""
    assert len(Store.at(home).tags()) == 1


@pytest.mark.models
def test_a_table_of_ones_own_is_trained_on(home: Path, tmp_path: Path) -> None:
    own = tmp_path / "flowers.csv"
    IRIS.dataset.sample().iloc[::2].to_csv(own, index=False)

    result = runner.invoke(app, ["train", "iris", "--data", str(own), "--json"])

    [facts] = json.loads(result.stdout)
    assert facts["data"]["source"] == "flowers.csv"
    assert facts["data"]["rows"] == 75


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["tea"], "no use case 'tea'", id="unknown-use-case"),
        pytest.param(["--data", __file__], "exactly one USE_CASE", id="table-of-none"),
        pytest.param(
            ["iris", "spam", "--data", __file__], "exactly one USE_CASE", id="of-two"
        ),
        pytest.param(["iris", "--data", "nowhere.csv"], "does not exist", id="no-file"),
    ],
)
def test_wrong_usage_exits_with_two(
    home: Path, arguments: list[str], told: str
) -> None:
    result = runner.invoke(app, ["train", *arguments])

    assert result.exit_code == 2
    assert told in " ".join(result.stderr.replace("│", " ").split())
    assert not home.exists()
