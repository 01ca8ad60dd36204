"""`ekiben deploy`, `undeploy` and `deployments` where there is nothing to be done, or asked wrongly."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ekiben.cli import app
from ekiben.errors import EkibenError

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
