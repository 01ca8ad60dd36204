"""The prediction log in SQLite and in PostgreSQL: what is written is read back."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from uuid_utils import uuid7

from ekiben.errors import UnknownPrediction
from ekiben.monitoring import store
from ekiben.monitoring.records import Logged
from ekiben.monitoring.store import PredictionStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def log(url: str) -> Iterator[PredictionStore]:
    with PredictionStore.opened(url) as opened:
        yield opened


def logged(minute: int = 0, *, use_case: str = "spam", tag: str = "spam:a") -> Logged:
    return Logged(
        prediction_id=str(uuid7()),
        use_case=use_case,
        tag=tag,
        at=NOON + timedelta(minutes=minute),
        row={"text": "Zürich\x1b ☃ 😀"},
        answer={"label": "ham", "probability": 0.1 + 0.2},
        batch_rows=3,
        seconds=0.25,
        request_id="r-1",
        caller="k-1",
    )


def test_a_record_comes_back_as_it_was(log: PredictionStore) -> None:
    record = logged()
    log.write([record])
    assert log.find(record.prediction_id) == record
    assert log.find(record.prediction_id.upper()) == record


@pytest.mark.parametrize("name", ["no id", "019aa41e-6f0b-7c52-9d43-0f2b8c61e704"])
def test_what_is_not_there_is_unknown(log: PredictionStore, name: str) -> None:
    with pytest.raises(UnknownPrediction):
        log.find(name)


def test_the_versions_that_answered_are_found_in_all_of_the_window(
    log: PredictionStore,
) -> None:
    log.write(
        [
            logged(0, tag="spam:old"),
            *(logged(minute, tag="spam:a") for minute in (1, 2, 3000)),
            logged(100_000, tag="spam:b"),
            logged(5, use_case="iris", tag="iris:a"),
        ]
    )
    after = NOON + timedelta(minutes=1)

    assert log.tags("spam", since=after) == {"spam:a", "spam:b"}
    assert log.tags("spam", since=NOON) == {"spam:old", "spam:a", "spam:b"}
    assert log.tags("iris", since=NOON) == {"iris:a"}
    assert log.tags("fraud", since=NOON) == set()


def test_a_window_is_read_in_order_and_chunks(
    log: PredictionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHUNK", 3)
    # Several of one moment, so that a chunk ends within one.
    records = [logged(minute) for minute in (0, 1, 1, 1, 1, 1, 2, 3)]
    log.write([*records[::-1], logged(1, use_case="iris", tag="iris:a")])
    found = list(
        log.read(
            "spam", since=NOON + timedelta(minutes=1), until=NOON + timedelta(minutes=3)
        )
    )
    expected = sorted(records[1:7], key=lambda one: (one.at, one.prediction_id))
    assert [record for record, _ in found] == expected
    assert {truth for _, truth in found} == {None}


def test_one_version_is_read_alone(log: PredictionStore) -> None:
    log.write([logged(0), logged(1, tag="spam:b")])
    found = log.read("spam", since=NOON, until=NOON + timedelta(days=1), tag="spam:b")
    assert [record.tag for record, _ in found] == ["spam:b"]


def test_the_log_opens_beside_a_ledger_and_again(url: str) -> None:
    for _ in range(2):
        with PredictionStore.opened(url):
            pass


def test_opening_the_log_again_leaves_connections_of_this_process_their_locks(
    tmp_path: Path,
) -> None:
    file = tmp_path / "predictions.db"
    url = f"sqlite:///{file}"
    look = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT id FROM prediction').fetchall()"
    with PredictionStore.opened(url) as log, log.connect() as held:
        held.exec_driver_sql("SELECT 1 FROM prediction")
        held.rollback()
        with PredictionStore.opened(url):
            pass
        # The last one to leave takes the write-ahead log away, and this one is not the last.
        subprocess.run([sys.executable, "-c", look, str(file)], check=True)
        assert file.with_name("predictions.db-wal").exists()


def test_a_log_lies_in_a_file_of_its_own(tmp_path: Path) -> None:
    from ekiben.settings import Settings

    settings = Settings(home=tmp_path)
    assert settings.log_url == f"sqlite:///{tmp_path}/ekiben/predictions.db"


def test_a_sample_says_how_many_there_were_and_is_the_same_every_time(
    log: PredictionStore,
) -> None:
    records = [logged(minute) for minute in range(400)]
    log.write([*records, logged(1, tag="spam:b"), logged(1, use_case="iris")])
    window = {"since": NOON, "until": NOON + timedelta(minutes=300)}

    count, found = log.sample("spam", tag="spam:a", most=1000, **window)
    assert (count, found) == (300, records[:300])

    count, drawn = log.sample("spam", tag="spam:a", most=100, **window)
    assert count == 300
    assert 50 < len(drawn) < 150
    assert [one for one in records if one in drawn] == drawn
    assert log.sample("spam", tag="spam:a", most=100, **window) == (count, drawn)
