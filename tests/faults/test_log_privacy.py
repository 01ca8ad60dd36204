"""C-62: what of personal fields gets into the prediction log's files, byte by byte."""

from pathlib import Path

import pytest

from ekiben.errors import InvalidSettings, PepperMissing
from ekiben.monitoring.prediction_log import PredictionLog, check
from ekiben.schemas.spam import Message
from ekiben.settings import Settings
from tests.faults.log_child import Printed
from tests.logbook import stamped
from tests.oracle import read_log

MARKER = "call-me-on-0190-666-666"


def log_one(home: Path, policy: str) -> bytes:
    """Log one message by that policy; return all bytes that there are of the log."""
    settings = Settings.model_validate({"home": home, "log_personal": policy})
    predictions = PredictionLog.start(
        settings, {"spam": Message}, Printed(), home / "counts"
    )
    assert predictions is not None
    ids, answered = stamped([{"label": "spam"}], "spam:a")
    rows = [Message(text=f"\n\x1b[31m{MARKER}\r")]
    predictions.add(
        "spam", "spam:a", ids, rows, answered,
        batch_rows=1, seconds=0.1, request_id="r", caller="",
    )  # fmt: skip
    predictions.stop(20)
    files = (home / "ekiben").glob("predictions.db*")
    return b"".join(file.read_bytes() for file in files)


@pytest.mark.parametrize("policy", ["hash", "drop"])
def test_c62_nothing_of_a_personal_text_is_in_the_log(
    tmp_path: Path, policy: str
) -> None:
    content = log_one(tmp_path, policy)

    (record,) = read_log(f"sqlite:///{tmp_path}/ekiben/predictions.db", ["spam"])
    assert MARKER.encode() not in content
    assert record.answer == {"label": "spam"}
    assert ("text" in record.row) == (policy == "hash")


def test_c62_without_the_policy_the_text_is_there(tmp_path: Path) -> None:
    assert MARKER.encode() in log_one(tmp_path, "keep")


def test_hashes_without_a_secret_are_refused_at_the_start() -> None:
    settings = Settings(
        database_url="postgresql://nobody@localhost/nowhere", log_personal="hash"
    )
    with pytest.raises(PepperMissing):
        check(settings)


def test_a_share_of_a_log_that_answers_wait_for_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="EKIBEN_LOG"):
        Settings.from_env({"EKIBEN_LOG": "fail-closed", "EKIBEN_LOG_SHARE": "0.5"})


def test_off_logs_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, log="off")
    assert PredictionLog.start(settings, {}, Printed(), tmp_path) is None
    assert not list(tmp_path.iterdir())
