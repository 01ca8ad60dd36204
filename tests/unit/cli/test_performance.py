"""What `ekiben performance` prints: live figures beside offline ones, and why there are none."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner
from uuid_utils import uuid7

from ekiben.cli import app
from ekiben.monitoring.feedback_store import FeedbackStore
from ekiben.monitoring.records import Logged, Observed
from ekiben.settings import Settings
from tests.logbook import write

RUN = CliRunner()
ANSWER = {"label": "spam", "probability": 0.9, "threshold": 0.5}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeedbackStore:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    return FeedbackStore.open(Settings(home=tmp_path).log_url)


def keep(log: FeedbackStore, *, days: float, labels: tuple[str, ...]) -> None:
    at = datetime.now(UTC) - timedelta(days=days)
    for label in labels:
        one = Logged(
            str(uuid7()),
            "spam",
            "spam:gone",
            at,
            {"text": "a"},
            ANSWER,
            1,
            0.1,
            "r",
            "",
        )
        write(log, [one])
        came = at + timedelta(hours=1)
        if label:
            log.record([Observed(one.prediction_id, label, came, came, "")])


def test_without_feedback_it_says_so(log: FeedbackStore) -> None:
    keep(log, days=1, labels=("",))

    result = RUN.invoke(app, ["performance", "spam"])

    assert result.exit_code == 0
    assert result.stdout.startswith("spam: no prediction since ")
    assert result.stdout.endswith(" has feedback\n")


def test_each_version_has_its_counts_and_figures(log: FeedbackStore) -> None:
    keep(log, days=2, labels=("spam", "spam", "spam", "ham", ""))

    result = RUN.invoke(app, ["performance", "spam"])

    assert result.exit_code == 0, result.output
    assert "spam:gone: 4 of 5 predictions have feedback (80.0%)" in result.stdout
    assert "labels came after 60.0 minutes (median)" in result.stdout
    assert "offline: none: the version is gone" in result.stdout
    assert "accuracy" in result.stdout
    assert "0.7500 [" in result.stdout
    assert "not measured" in result.stdout


def test_the_window_is_that_of_since(log: FeedbackStore) -> None:
    keep(log, days=9, labels=("ham",))
    keep(log, days=2, labels=("spam", "spam"))

    recent = RUN.invoke(app, ["performance", "spam", "--since", "7d", "--json"])
    everything = RUN.invoke(app, ["performance", "spam", "--json"])

    def accuracy(text: str) -> tuple[int, float]:
        (version,) = json.loads(text)["versions"]
        assert version["offline"] is None
        figure = version["evaluation"]["overall"]["accuracy"]["value"]
        return version["predictions"], round(figure, 3)

    assert accuracy(recent.stdout) == (2, 1.0)
    assert accuracy(everything.stdout) == (3, 0.667)


@pytest.mark.parametrize(
    "arguments", [["nowhere"], ["spam", "--since", "soon"], []], ids=str
)
def test_wrong_usage_is_2(log: FeedbackStore, arguments: list[str]) -> None:
    assert RUN.invoke(app, ["performance", *arguments]).exit_code == 2
