"""`ekiben export` and the log's part of `ekiben prune`."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result
from uuid_utils import uuid7

from ekiben.cli import app
from ekiben.cli.since import moment_in
from ekiben.errors import EkibenError, InvalidDuration
from ekiben.monitoring.export import schema_of
from ekiben.monitoring.records import Logged
from ekiben.monitoring.store import PredictionStore
from ekiben.settings import Settings
from ekiben.use_cases.catalog import USE_CASES, get_use_case
from ekiben.use_cases.use_case import UseCase
from tests.logbook import write

runner = CliRunner()
NOW = datetime.now(UTC)
OLD = timedelta(days=100)


def logged(use_case: str, age: timedelta, row: dict[str, Any] | None = None) -> Logged:
    chosen = get_use_case(use_case)
    example: Any = chosen.prediction.model_json_schema()["examples"][0]
    stamped = ("prediction_id", "model")
    return Logged(
        prediction_id=str(uuid7()),
        use_case=use_case,
        tag=f"{use_case}:a",
        at=NOW - age,
        row=chosen.examples[0] if row is None else row,
        answer={k: v for k, v in example.items() if k not in stamped},
        batch_rows=1,
        seconds=0.25,
        request_id="r-1",
        caller="",
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.delenv("EKIBEN_DATABASE_URL", raising=False)
    return tmp_path


def keep(home: Path, *records: Logged) -> None:
    with PredictionStore.opened(Settings(home=home).log_url) as store:
        write(store, records)


def run(*words: str) -> Result:
    return runner.invoke(app, words)


def done(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.exception
    return result.stdout


def exported(home: Path, use_case: str, *words: str) -> list[dict[str, Any]]:
    file = home / "out.parquet"
    done("export", use_case, str(file), "--force", *words)
    rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return rows


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda one: one.name)
def test_every_field_of_a_prediction_has_its_column(
    home: Path, use_case: UseCase
) -> None:
    record = logged(use_case.name, timedelta(hours=1))
    keep(home, record)

    (row,) = exported(home, use_case.name)

    for name, value in record.row.items():
        assert row[f"row_{name}"] == value
    for name, value in record.answer.items():
        told = row[f"answer_{name}"]
        assert (json.loads(told) if isinstance(value, dict) else told) == value
    assert (row["prediction_id"], row["at"]) == (record.prediction_id, record.at)
    assert row["label"] is None
    assert list(row) == schema_of(use_case).names


def test_a_window_and_a_version_are_exported_alone(home: Path) -> None:
    keep(home, *(logged("spam", timedelta(days=days)) for days in (1, 3, 5)))
    assert len(exported(home, "spam")) == 3
    assert len(exported(home, "spam", "--since", "4d")) == 2
    assert len(exported(home, "spam", "--since", "4d", "--until", "2d")) == 1
    assert exported(home, "spam", "--tag", "spam:b") == []


def test_what_does_not_fit_the_schema_is_empty(home: Path) -> None:
    keep(home, logged("iris", timedelta(hours=1), {"sepal_length": "hmac-sha256:0"}))
    (row,) = exported(home, "iris")
    assert row["row_sepal_length"] is None


def test_a_file_that_is_there_is_left_alone(home: Path) -> None:
    file = home / "mine.parquet"
    file.write_text("mine")
    result = run("export", "iris", str(file))
    assert isinstance(result.exception, EkibenError)
    assert "--force" in str(result.exception)
    assert file.read_text() == "mine"
    done("export", "iris", str(file), "--force")
    assert file.read_bytes()[:4] == b"PAR1"
    assert [one.name for one in home.iterdir() if "part" in one.name] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["cats", "x.parquet"], "no use case", id="use-case"),
        pytest.param(["iris", "x.parquet", "--since", "yesterday"], "time", id="since"),
        pytest.param(["iris", "x.parquet", "--until", "later"], "time", id="until"),
        pytest.param(
            ["iris", "x.parquet", "--since", "1d", "--until", "2d"],
            "before --since",
            id="backwards",
        ),
    ],
)
def test_what_is_asked_wrongly_is_wrong_usage(
    home: Path, words: list[str], told: str
) -> None:
    result = run("export", *words)
    assert result.exit_code == 2
    assert told in result.output


def test_what_cannot_be_written_is_said_in_one_line(home: Path) -> None:
    result = run("export", "iris", "/nowhere/x.parquet")
    assert isinstance(result.exception, EkibenError)
    assert "\n" not in str(result.exception)


def test_prune_removes_what_is_past_its_days(home: Path) -> None:
    keep(home, logged("spam", OLD), logged("spam", OLD), logged("spam", timedelta(1)))

    asked = json.loads(done("prune", "--dry-run", "--json"))
    assert asked == {"removed": False, "tags": [], "predictions": {"spam": 2}}
    assert "2 logged predictions of spam" in done("prune")
    assert done("prune") == "nothing to remove\n"
    assert len(exported(home, "spam")) == 1


def test_prune_makes_no_log_where_there_is_none(home: Path) -> None:
    assert done("prune") == "nothing to remove\n"
    assert not (home / "ekiben" / "predictions.db").exists()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30d", NOW - timedelta(days=30)),
        ("90m", NOW - timedelta(minutes=90)),
        ("2026-03-01T12:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00+01:00", datetime(2026, 3, 1, 11, tzinfo=UTC)),
    ],
)
def test_moments_are_read(text: str, moment: datetime) -> None:
    assert moment_in(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "30", "d", "999999w", "-1d", "soon"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidDuration):
        moment_in(text, NOW)
