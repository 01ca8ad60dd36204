"""`ekiben retrain`: a candidate from the table and the log, compared; promoted if asked to."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result
from uuid_utils import uuid7

from ekiben.cli import app
from ekiben.errors import EkibenError
from ekiben.holdout import digests_of, read_holdout, unseen
from ekiben.monitoring.records import Logged
from ekiben.monitoring.store import PredictionStore
from ekiben.predictor import load_predictor
from ekiben.registry.store import Store
from ekiben.settings import Settings
from ekiben.use_cases.spam import SPAM
from tests.logbook import answered, feed_back, write
from tests.servers import PROJECT, environment
from tests.tiny import productions

pytestmark = pytest.mark.models

LOGGED = 400
runner = CliRunner()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A production version of spam on the first part of the sample, the rest in its log,
    most of it with feedback."""
    home = tmp_path_factory.mktemp("made")
    sample = SPAM.dataset.sample().drop_duplicates(ignore_index=True)
    table = home / "messages.csv"
    sample.iloc[:-LOGGED].to_csv(table, index=False)
    ekiben(home, "train", "spam", "--data", str(table), "--promote")
    store = Store.at(home)
    (tag,) = store.tags("spam")
    later = sample.iloc[-LOGGED:]
    predictor = load_predictor(store, SPAM, tag)
    records = answered(predictor, SPAM.encoding.rows_of(later), timedelta(days=2))
    log_url = Settings(home=home).log_url
    with PredictionStore.opened(log_url) as log:
        write(log, records)
    known = zip(records[:-20], later["label"], strict=False)
    feed_back(log_url, {one.prediction_id: label for one, label in known})
    return home


def ekiben(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ekiben", *words],
        cwd=PROJECT,
        env=environment(home, {"EKIBEN_OFFLINE": "1"}),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    shutil.copytree(made, home)
    monkeypatch.setenv("BENTOML_HOME", str(home))
    monkeypatch.setenv("EKIBEN_OFFLINE", "1")
    monkeypatch.setenv("EKIBEN_ACTOR", "ada")
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("EKIBEN_DATABASE_URL", "EKIBEN_MODELS", "EKIBEN_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def table(home: Path) -> str:
    return str(home / "messages.csv")


@pytest.fixture
def records(home: Path) -> list[Logged]:
    now = datetime.now(UTC)
    with PredictionStore.opened(Settings(home=home).log_url) as log:
        pairs = log.read("spam", since=now - timedelta(days=9), until=now)
        return [record for record, _ in pairs]


def asked(*arguments: str) -> Result:
    return runner.invoke(app, ["retrain", *arguments])


def facts(*arguments: str) -> Any:
    result = asked(*arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def refusal(result: Result) -> str:
    assert isinstance(result.exception, EkibenError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def written(home: Path, records: Sequence[Logged], labels: Sequence[str]) -> None:
    """Log *records* with feedback."""
    url = Settings(home=home).log_url
    with PredictionStore.opened(url) as log:
        write(log, records)
    pairs = zip(records, labels, strict=True)
    feed_back(url, {one.prediction_id: label for one, label in pairs})


def test_a_candidate_is_trained_and_compared_on_unseen_rows_and_nothing_moves(
    home: Path, table: str
) -> None:
    before = productions(home)["spam"].tag

    found = facts("spam", "--data", table)

    assert found["incumbent"] == before == productions(home)["spam"].tag
    assert (found["promoted"], found["event"]) == (False, None)
    assert found["log"]["added"] == LOGGED - 20
    assert found["log"]["unlabelled"] == 20
    compared = found["comparison"]["report"]["holdout"]
    assert compared["seen_by_incumbent"] == 0
    assert compared["compared"] == compared["rows"]
    manifest = Store.at(home).manifest(found["tag"])
    assert manifest.card.data.source.startswith(
        f"messages.csv + {LOGGED - 20} logged rows with feedback, "
    )
    assert manifest.card.data.rows == len(pd.read_csv(table)) + LOGGED - 20
    check_unseen(home, found["tag"], found["incumbent"])


def check_unseen(home: Path, candidate: str, incumbent: str) -> None:
    """Check that neither has seen a test row of the candidate."""
    store = Store.at(home)
    (_, new), (_, old) = store.read(candidate), store.read(incumbent)
    tested, before = read_holdout(SPAM, new).frame, read_holdout(SPAM, old).frame
    for files in (new, old):
        fresh = unseen(SPAM, tested, files)
        assert fresh is not None
        assert fresh.all()
    assert set(digests_of(SPAM, before)) < set(digests_of(SPAM, tested))


def test_the_tables_are_printed_with_what_the_log_gave(home: Path, table: str) -> None:
    result = asked("spam", "--data", table, "--since", "7d")

    assert result.exit_code == 0
    first, second, *_ = result.stdout.splitlines()
    assert first.endswith(
        f"{LOGGED} logged, 20 without feedback, {LOGGED - 20} new or relabelled"
    )
    assert second.startswith("spam:")
    assert "logged" not in second
    for words in ("answered differently", "regression", "B - A"):
        assert words in result.stdout


def test_with_promote_the_candidate_passes_the_gates(home: Path, table: str) -> None:
    found = facts("spam", "--data", table, "--promote")

    assert found["promoted"] is True
    assert productions(home)["spam"].tag == found["tag"]
    event = found["event"]
    assert (event["actor"], event["from_tag"]) == ("ada", found["incumbent"])
    assert event["reason"].startswith(f"retrained on {LOGGED - 20} logged rows, ")
    gates = {one["gate"]: one["passed"] for one in event["report"]["verdicts"]}
    assert gates["provenance"]
    assert gates["regression"]

    # The next run learns the same rows again, and tests on none that were learned from.
    again = facts("spam", "--data", table)
    assert again["incumbent"] == found["tag"]
    assert again["comparison"]["report"]["holdout"]["seen_by_incumbent"] == 0


def test_a_worse_candidate_is_refused_by_the_gates_and_production_stays(
    home: Path, table: str, records: list[Logged]
) -> None:
    before = productions(home)["spam"].tag
    labels = ["ham" if n % 2 else "spam" for n in range(len(records))]  # of a coin
    feedback = Settings(home=home).log_url.removeprefix("sqlite:///")
    Path(feedback).unlink()
    written(home, records, labels)

    result = asked("spam", "--data", table, "--promote", "--json")

    assert json.loads(result.stdout)["promoted"] is False
    assert "floors" in refusal(result)
    assert productions(home)["spam"].tag == before


def test_a_sample_with_logged_rows_does_not_replace_a_version_of_real_data(
    home: Path, records: list[Logged]
) -> None:
    now = datetime.now(UTC) - timedelta(minutes=1)
    new = [
        replace(one, prediction_id=str(uuid7()), at=now, row={"text": f"{n} {one.row}"})
        for n, one in enumerate(records[:60])
    ]
    written(home, new, ["ham", "spam"] * 30)

    # Without --data, and offline, the original table is the sample.
    result = asked("spam", "--promote", "--since", "1h", "--json")

    assert "provenance (trained on sample data" in refusal(result)
    data = json.loads(result.stdout)["data"]
    assert data["kind"] == "sample"
    assert " + 60 logged rows with feedback" in data["source"]


def test_too_few_labelled_rows_are_refused_with_the_number(
    home: Path, table: str
) -> None:
    before = Store.at(home).tags("spam")

    told = refusal(asked("spam", "--data", table, "--fewest", "1000"))

    assert told.startswith(
        f"spam: {LOGGED - 20} labelled rows that are new, 1000 are needed"
    )
    assert "20 without feedback" in told
    assert refusal(asked("spam", "--data", table, "--since", "1h")).startswith(
        "spam: 0 labelled rows that are new, 50 are needed (0"
    )
    assert Store.at(home).tags("spam") == before


def test_a_use_case_without_production_has_nothing_to_be_compared_with(
    home: Path,
) -> None:
    told = refusal(asked("iris"))
    assert told.startswith("iris has no production version; `ekiben train iris --prom")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["tea"], "no use case 'tea'"),
        (["spam", "--since", "later"], "is no time; write 30d"),
        (["spam", "--data", "nowhere.csv"], "does not exist"),
        (["spam", "--fewest", "0"], "Invalid value for '--fewest'"),
        ([], "Missing argument"),
    ],
)
def test_wrong_usage_exits_with_two(
    home: Path, arguments: list[str], told: str
) -> None:
    result = asked(*arguments)

    assert result.exit_code == 2
    assert told in " ".join(result.stderr.replace("│", " ").split())


def test_the_command_itself_ends_with_the_code_and_one_line(made: Path) -> None:
    found = ekiben(made, "retrain", "spam", "--since", "1h")

    assert (found.returncode, found.stdout) == (1, "")
    line = [one for one in found.stderr.splitlines() if one.startswith("ekiben: ")]
    assert len(line) == 1
