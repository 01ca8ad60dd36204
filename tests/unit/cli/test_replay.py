"""`ekiben replay`: exit codes, one line on stderr, JSON, tables."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ekiben.cli import app
from ekiben.cli.window import read_since
from ekiben.datasets import load
from ekiben.errors import EkibenError
from ekiben.monitoring.records import Logged
from ekiben.monitoring.store import PredictionStore
from ekiben.predictor import load_predictor
from ekiben.registry.store import Store
from ekiben.settings import Settings
from ekiben.use_cases.turnover import TURNOVER
from tests.doctored import PLAIN, registered_again, small, trained
from tests.logbook import answered, feed_back, write
from tests.servers import PROJECT, environment
from tests.tiny import promote

pytestmark = pytest.mark.models

ROWS = 400
runner = CliRunner()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two versions of turnover, the first one promoted, and a log of its."""
    home = tmp_path_factory.mktemp("made")
    store = Store.at(home)
    everything = load(TURNOVER.dataset, cache=home, offline=True)
    table, unseen = small(everything), everything.frame.iloc[-ROWS:]
    tag = trained(store, PLAIN, table)
    trained(store, PLAIN, table, seed=1)
    promote(home, store.manifest(tag))
    rows = TURNOVER.encoding.rows_of(unseen)
    records = answered(load_predictor(store, TURNOVER, tag), rows, timedelta(hours=1))
    with PredictionStore.opened(Settings(home=home).log_url) as log:
        write(log, records)
    labels = unseen["leaves"].tolist()
    known = {one.prediction_id: labels[n] for n, one in enumerate(records[:40])}
    feed_back(Settings(home=home).log_url, known)
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    shutil.copytree(made, home)
    monkeypatch.setenv("BENTOML_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("EKIBEN_DATABASE_URL", "EKIBEN_MODELS", "EKIBEN_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def log_url(home: Path) -> str:
    return Settings(home=home).log_url


@pytest.fixture
def records(log_url: str) -> list[Logged]:
    with PredictionStore.opened(log_url) as log:
        pairs = log.read("turnover", since=read_since("1d"), until=read_since("1s"))
        return [record for record, _ in pairs]


def asked(*arguments: str) -> Result:
    return runner.invoke(app, ["replay", *arguments])


def done(*arguments: str) -> str:
    result = asked(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refusal(result: Result) -> str:
    """Return the line that `main` prints before it exits with 1."""
    assert isinstance(result.exception, EkibenError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def written(log_url: str, record: Logged, **changed: Any) -> str:
    """Log *record* again with changes, under an id of its own."""
    identity = record.prediction_id[:-6] + "abcdef"
    with PredictionStore.opened(log_url) as log:
        write(log, [replace(record, prediction_id=identity, **changed)])
    return identity


def test_one_prediction_is_answered_as_it_was(records: list[Logged]) -> None:
    record = records[0]

    (line,) = done(record.prediction_id).splitlines()
    facts = json.loads(done(record.prediction_id, "--json"))

    assert line.startswith(
        f"{record.prediction_id} by {record.tag}: identical: leaves "
    )
    assert (facts["verdict"], facts["exact"]) == ("identical", True)
    assert facts["model"] == record.tag
    assert facts["differences"] == []


def test_what_is_answered_differently_is_refused_with_its_values(
    records: list[Logged], log_url: str
) -> None:
    answer = records[0].answer | {"probability": 0.123}
    identity = written(log_url, records[0], answer=answer)

    plain, as_json = asked(identity), asked(identity, "--json")

    told = refusal(plain)
    assert plain.stdout == ""
    assert told.startswith(f"{identity} by {records[0].tag}: different, answer: ")
    assert "probability was 0.123, is 0." in told
    (difference,) = json.loads(as_json.stdout)["differences"]
    assert (difference["field"], difference["logged"]) == ("probability", 0.123)
    assert refusal(as_json) == told


def test_a_version_that_is_gone_makes_it_impossible(
    home: Path, records: list[Logged]
) -> None:
    Store.at(home).remove(records[0].tag)

    told = refusal(asked(records[0].prediction_id))

    assert "impossible, artefact missing" in told


def test_a_version_that_was_put_in_the_place_of_the_promoted_one_is_told(
    home: Path, records: list[Logged]
) -> None:
    store = Store.at(home)
    first, second = store.tags("turnover")
    store.remove(first)
    registered_again(store, second, version=first.partition(":")[2])

    assert "not the artefact that was promoted" in refusal(
        asked(records[0].prediction_id)
    )


def test_a_window_is_replayed_and_counted(log_url: str, records: list[Logged]) -> None:
    told = done("turnover", "--since", "1d")
    assert told == (f"turnover: {ROWS} identical ({ROWS} to the last bit)\n")

    facts = json.loads(done("--since", "1d", "--json"))
    assert facts["turnover"]["identical"] == ROWS
    assert list(facts) == ["turnover"]

    row = {k: v for k, v in records[0].row.items() if k != "salary"}
    written(log_url, records[0], row=row)
    assert "1 not asked: not kept whole in the log" in done("--since", "1d")


def test_one_fault_in_a_window_is_refused(log_url: str, records: list[Logged]) -> None:
    written(log_url, records[0], answer={"leaves": True})

    result = asked("turnover", "--since", "1d")

    assert f"{ROWS} identical" in result.stdout
    assert "1 answer" in result.stdout
    assert refusal(result).startswith("1 not answered as they were; the first: ")


def test_another_version_is_shown_beside_the_log(home: Path) -> None:
    first, second = Store.at(home).tags("turnover")
    facts = json.loads(done("--since", "1d", "--against", second, "--json"))
    told = done("turnover", "--since", "1d", "--against", second[:-4])

    assert facts["rows"] == ROWS
    assert 0 < facts["disagreements"] < ROWS / 4
    assert facts["agreement"] == 1 - facts["disagreements"] / ROWS
    for groups in facts["slices"].values():
        assert sum(one["rows"] for one in groups.values()) == ROWS
        assert (
            sum(one["disagreements"] for one in groups.values())
            == facts["disagreements"]
        )
    assert set(facts["slices"]) == {"department", "salary"}
    assert sum(one["rows"] for one in facts["changes"]) == facts["disagreements"]
    assert facts["versions"][first]["rows"] == ROWS
    assert facts["truths"]["rows"] == 40
    assert facts["examples"][0]["row"]["department"]
    for words in ("agrees on", "with feedback", "department", "logged label"):
        assert words in told

    same = json.loads(done("--since", "1d", "--against", first, "--json"))
    assert (same["agreement"], same["changes"]) == (1.0, [])


def test_rows_that_are_not_whole_are_left_out_of_a_comparison(
    home: Path, log_url: str, records: list[Logged]
) -> None:
    row = {k: v for k, v in records[0].row.items() if k != "salary"}
    written(log_url, records[0], row=row)
    second = Store.at(home).tags("turnover")[1]

    facts = json.loads(done("--since", "1d", "--against", second, "--json"))

    assert facts["not_compared"] == {"row not whole": 1}
    assert facts["rows"] == ROWS


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["019aa41e-6f0b-7c52-9d43-0f2b8c61e704"], "no prediction 019aa41e"),
        (["turnover", "--since", "1s"], "no prediction of turnover in the log since"),
        (["--since", "1s"], "no prediction of any use case in the log"),
        (["spam", "--since", "1d", "--against", "a"], "no model 'spam:a'"),
    ],
)
def test_what_is_not_there_is_refused(
    home: Path, arguments: list[str], told: str
) -> None:
    assert told in refusal(asked(*arguments))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give a PREDICTION_ID alone, or --since"),
        (["a", "--against", "turnover:a"], "give a PREDICTION_ID alone"),
        (["tea", "--since", "1d"], "no use case 'tea'"),
        (["--since", "soon"], "is no time; write 30d"),
        (["--since", "2999-01-01"], "is not in the past"),
        (["--since", "1d", "--against", "abc"], "--against needs a USE_CASE"),
        (["spam", "--since", "1d", "--against", "iris:a"], "not iris and spam"),
    ],
)
def test_wrong_usage_exits_with_two(
    home: Path, arguments: list[str], told: str
) -> None:
    result = asked(*arguments)

    assert result.exit_code == 2
    assert told in " ".join(result.stderr.replace("│", " ").split())


def test_the_command_itself_ends_with_the_code_and_one_line(
    home: Path, records: list[Logged]
) -> None:
    Store.at(home).remove(records[0].tag)
    found = subprocess.run(
        [sys.executable, "-m", "ekiben", "replay", records[0].prediction_id],
        cwd=PROJECT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert found.stdout == ""
    (line,) = found.stderr.splitlines()
    assert line.startswith(f"ekiben: {records[0].prediction_id} by {records[0].tag}")


def test_other_libraries_are_told_in_the_one_line(
    home: Path, records: list[Logged], log_url: str
) -> None:
    store = Store.at(home)
    elsewhere = registered_again(
        store,
        records[0].tag,
        lambda card: {"libraries": card["libraries"] | {"numpy": "1.0.0"}},
    )
    answer = records[0].answer | {"probability": 0.123}
    identity = written(log_url, records[0], tag=elsewhere, answer=answer)

    found = subprocess.run(
        [sys.executable, "-m", "ekiben", "replay", identity],
        cwd=PROJECT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )

    (line,) = found.stderr.splitlines()
    assert "different, libraries: probability was 0.123, is 0." in line
    assert "numpy 1.0.0 then, " in line
