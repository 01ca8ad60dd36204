"""`ekiben deploy`, `undeploy` and `deployments` where there is nothing to be done, or asked wrongly."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ekiben.cli import app
from ekiben.errors import EkibenError
from ekiben.packaging.deployments import Deployment, Place, Revision

runner = CliRunner()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    for name in ("EKIBEN_DATABASE_URL", "EKIBEN_MODELS", "EKIBEN_CONTAINER_ENGINE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_where_nothing_is_deployed_it_is_said(home: Path) -> None:
    assert runner.invoke(app, ["deployments"]).stdout == (
        "nothing is deployed on this host\n"
    )
    assert json.loads(runner.invoke(app, ["deployments", "--json"]).stdout) == []


def test_a_narrow_terminal_shows_what_is_deployed_in_one_piece(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    since = datetime(2026, 3, 1, 12, tzinfo=UTC)
    revision = Revision(
        number=1,
        bento="ekiben-server:2khuf2xfrwif2ax4",
        runtime="process",
        models={"turnover": "turnover:rnrfczhglkf6kax4"},
        settings={},
        created=since,
    )
    started = Deployment(name="shop", host="127.0.0.1", port=3000, count=2, target=1)
    started = started.with_revision(revision)
    place = Place(home, "shop")
    place.path.mkdir(parents=True)

    place.write(started)
    first = runner.invoke(app, ["deployments"]).stdout
    place.write(started.finished(revision, since))
    then = runner.invoke(app, ["deployments"]).stdout

    assert "none yet" in first
    assert "never" in first
    assert "--resume" in first
    for whole in (revision.bento, *revision.models.values(), "http://127.0.0.1:3000"):
        assert whole in then
    assert "2026-03-01 12:00 UTC" in then
    assert "0 of 2" in then
    assert "--resume" not in then


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["deploy", "--rollback"], "nothing is deployed as", id="rollback"),
        pytest.param(["deploy", "--resume"], "nothing is deployed as", id="resume"),
        pytest.param(["undeploy"], "nothing is deployed as ekiben", id="undeploy"),
        pytest.param(
            ["deploy", "--rollback", "--name", "other"], "as other", id="other-name"
        ),
        pytest.param(["deploy"], "none was built", id="no-bento"),
        pytest.param(["deploy", "ekiben-server:1"], "not in the store", id="unknown"),
        pytest.param(["undeploy", "--name", "../x"], "is no name", id="name"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    home: Path, words: list[str], told: str
) -> None:
    result = runner.invoke(app, words)

    assert isinstance(result.exception, EkibenError)
    assert told in str(result.exception)
    assert "\n" not in str(result.exception)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["ekiben-server:1", "--rollback"], id="bento-and-rollback"),
        pytest.param(["--rollback", "--resume"], id="rollback-and-resume"),
        pytest.param(["--rollback", "--replicas", "3"], id="rollback-of-replicas"),
        pytest.param(["--resume", "--image", "x:1"], id="resume-of-an-image"),
        pytest.param(["--rollback", "--port", "3001"], id="rollback-to-a-port"),
        pytest.param(["--resume", "--host", "127.0.0.1"], id="resume-at-a-host"),
        pytest.param(["--kubernetes", "--port", "3001"], id="port-of-a-cluster"),
        pytest.param(["--rollback", "--runtime", "process"], id="rollback-runtime"),
        pytest.param(["--render"], id="render-alone"),
        pytest.param(["--kubernetes", "--replicas", "3"], id="replicas-of-a-cluster"),
        pytest.param(["--kubernetes", "--resume"], id="resume-of-a-cluster"),
        pytest.param(["--replicas", "17"], id="too-many"),
        pytest.param(["--host", "example.com"], id="host"),
    ],
)
def test_what_would_not_be_heeded_is_wrong_usage(home: Path, words: list[str]) -> None:
    assert runner.invoke(app, ["deploy", *words]).exit_code == 2
