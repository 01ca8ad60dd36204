"""`ekiben data` tells where data sets come from; `fetch` fails in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ekiben.cli import app
from ekiben.errors import DownloadFailed, UnknownUseCase

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def invoke(*arguments: str, **settings: str) -> Result:
        env: dict[str, str | None] = {
            "BENTOML_HOME": str(tmp_path),
            "EKIBEN_DATA_DIR": None,
            "EKIBEN_OFFLINE": "1",
            **settings,
        }
        return CliRunner(env=env).invoke(app, ["data", *arguments])

    return invoke


def sources(result: Result) -> dict[str, str]:
    return {line["use_case"]: line["source"] for line in json.loads(result.stdout)}


def test_offline_the_samples_are_what_would_be_used(run: Run) -> None:
    assert sources(run("--json")) == {
        "iris": "scikit-learn",
        "turnover": "sample",
        "fraud": "sample",
        "spam": "sample",
        "topics": "sample",
    }


def test_online_an_empty_cache_means_a_download(run: Run) -> None:
    assert sources(run("--json", EKIBEN_OFFLINE="0"))["spam"] == "download"


def test_a_file_in_the_data_folder_is_told_with_what_is_wrong_with_it(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "sms.tsv").write_text("ham\thello\n")

    lines = json.loads(run("--json", EKIBEN_DATA_DIR=str(tmp_path)).stdout)

    spam = next(line for line in lines if line["use_case"] == "spam")
    assert spam["source"] == "data folder"
    assert "is not the public file" in spam["problem"]


def test_the_table_names_every_use_case(run: Run) -> None:
    shown = run().stdout

    assert [name for name in ("iris", "turnover", "topics") if name not in shown] == []


def test_fetch_is_refused_offline(run: Run) -> None:
    assert isinstance(run("fetch").exception, DownloadFailed)


def test_fetch_of_an_unknown_use_case_names_the_known_ones(run: Run) -> None:
    error = run("fetch", "nope").exception

    assert isinstance(error, UnknownUseCase)
    assert "iris, turnover" in str(error)


def test_fetch_has_nothing_to_do_for_iris(run: Run) -> None:
    result = run("fetch", "iris", EKIBEN_OFFLINE="0")

    assert (result.exit_code, result.stdout) == (0, "iris: comes with scikit-learn\n")
