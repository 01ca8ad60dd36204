"""`ekiben models [USE_CASE]` beside `ekiben models push` and `pull`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ekiben.cli import app
from ekiben.cli.models_app import app as models_app
from ekiben.registry.store import Store
from ekiben.use_cases.catalog import USE_CASES
from tests.tiny import promote, register

runner = CliRunner()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a version of iris, which is production."""
    home = tmp_path / "home"
    monkeypatch.setenv("BENTOML_HOME", str(home))
    monkeypatch.delenv("EKIBEN_DATABASE_URL", raising=False)
    promote(home, register(Store.at(home), version="first"))
    return home


@pytest.mark.parametrize("arguments", [(), ("iris",), ("list", "iris")])
def test_the_list_needs_no_word_of_its_own(
    home: Path, arguments: tuple[str, ...]
) -> None:
    result = runner.invoke(app, ["models", *arguments, "--json"])

    assert result.exit_code == 0, result.output
    assert [one["tag"] for one in json.loads(result.stdout)] == ["iris:first"]


def test_no_use_case_has_the_name_of_a_command() -> None:
    commands = {command.name for command in models_app.registered_commands}

    assert commands == {"list", "push", "pull"}
    assert not commands & {use_case.name for use_case in USE_CASES}


def test_what_is_neither_is_wrong_usage(home: Path) -> None:
    result = runner.invoke(app, ["models", "pusch"])

    assert result.exit_code == 2
    assert "no use case 'pusch'" in " ".join(result.output.split())


def test_the_help_tells_of_all() -> None:
    result = runner.invoke(app, ["models", "--help"], env={"COLUMNS": "120"})

    assert result.exit_code == 0
    for word in ("[USE_CASE]", "push", "pull"):
        assert word in result.output


def test_a_version_goes_there_and_comes_back(home: Path, tmp_path: Path) -> None:
    url = (tmp_path / "shared").as_uri()

    for words in (("push", "iris:fir"), ("push", "production"), ("pull", "iris:first")):
        result = runner.invoke(app, ["models", *words, url])
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith("iris:first ")


def test_a_digest_is_of_one_version(home: Path, tmp_path: Path) -> None:
    url = (tmp_path / "shared").as_uri()
    asked = ["models", "pull", "production", url, "--digest", "0" * 64]

    assert runner.invoke(app, asked).exit_code == 2
