"""From answers through feedback to the next version, on a real server: what cron would run."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from ekiben.registry.store import Store
from ekiben.use_cases.spam import SPAM
from tests.faults.iris_home import until
from tests.oracle import metric
from tests.servers import PROJECT, Server, environment, serve
from tests.tiny import productions

pytestmark = [pytest.mark.models, pytest.mark.server, pytest.mark.timeout(900)]

LATER = 400
"""Messages that the first version never saw."""
SETTINGS = {
    "EKIBEN_OFFLINE": "1",
    "EKIBEN_MODELS": "spam",
    "EKIBEN_PROMOTE_LEAD_MS": "300",
}
PATIENCE = 120.0


@dataclass(frozen=True)
class Desk:
    """A server that answers messages, and the messages that come in later."""

    home: Path
    server: Server
    later: pd.DataFrame

    @property
    def production(self) -> str:
        return productions(self.home)["spam"].tag

    def ekiben(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return ekiben(self.home, *words)

    def answer(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Let the server answer, and wait until its log holds all of it."""
        before = metric(self.server.url, "ekiben_log_rows_total")
        body = {"rows": [{"text": one} for one in texts]}
        found = self.post("predict", body)
        written = before + len(texts)
        until(
            lambda: metric(self.server.url, "ekiben_log_rows_total") == written,
            PATIENCE,
        )
        return list(found)

    def feed_back(
        self, answers: Sequence[dict[str, Any]], labels: Sequence[str]
    ) -> dict[str, Any]:
        pairs = zip(answers, labels, strict=True)
        items = [
            {"prediction_id": one["prediction_id"], "label": label}
            for one, label in pairs
        ]
        return dict(self.post("feedback", {"items": items}))

    def post(self, what: str, body: dict[str, Any]) -> Any:
        url = f"{self.server.url}/v1/spam/{what}"
        found = httpx.post(url, json=body, timeout=60)
        assert found.is_success, found.text
        return found.json()


def ekiben(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "ekiben", *words],
        cwd=PROJECT,
        env=environment(home, SETTINGS),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    home = tmp_path_factory.mktemp("desk")
    sample = SPAM.dataset.sample().drop_duplicates(ignore_index=True)
    table = home / "messages.csv"
    sample.iloc[:-LATER].to_csv(table, index=False)
    done = ekiben(home, "train", "spam", "--data", str(table), "--promote")
    assert done.returncode == 0, done.stderr
    with serve(home, extra=SETTINGS) as server:
        yield Desk(home, server, sample.iloc[-LATER:])


def retrain(desk: Desk, *words: str) -> "subprocess.CompletedProcess[str]":
    table = str(desk.home / "messages.csv")
    return desk.ekiben("retrain", "spam", "--since", "1d", "--data", table, *words)


def one_line(done: "subprocess.CompletedProcess[str]") -> str:
    """Return why a command refused, which it has to say in one line."""
    assert done.returncode == 1, done
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("ekiben: ")
    return line


def test_answers_with_feedback_make_the_next_version_and_the_gates_decide(
    desk: Desk,
) -> None:
    first, texts = desk.production, desk.later["text"].tolist()
    answers = desk.answer(texts)
    assert "labelled rows" in one_line(retrain(desk))

    told = desk.feed_back(answers[:-20], desk.later["label"].tolist()[:-20])
    assert told == {"accepted": LATER - 20, "duplicates": 0, "unknown": []}
    done = retrain(desk, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["log"]["read"], found["log"]["unlabelled"]) == (LATER, 20)
    assert found["log"]["added"] == LATER - 20
    assert (found["incumbent"], found["event"]) == (first, None)
    assert desk.production == first
    assert found["tag"] in Store.at(desk.home).tags("spam")

    done = retrain(desk, "--promote", "--json")
    assert done.returncode == 0, done.stderr
    event = json.loads(done.stdout)["event"]
    assert desk.production == event["to_tag"] != first
    assert "retrained on 380 logged rows" in event["reason"]
    until(lambda: desk.answer(texts[:1])[0]["model"] == event["to_tag"], PATIENCE)
