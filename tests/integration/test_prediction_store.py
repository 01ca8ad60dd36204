"""The prediction log in SQLite and in PostgreSQL: what is written is read back."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from uuid_utils import uuid7

from ekiben.errors import UnknownPrediction
from ekiben.monitoring import store
from ekiben.monitoring.entries import Encoder, Line
from ekiben.monitoring.ids import joined
from ekiben.monitoring.records import Observed, microseconds
from ekiben.monitoring.sink import Sink
from ekiben.monitoring.store import PredictionStore
from ekiben.monitoring.tables import logged_in
from ekiben.registry import engines
from ekiben.registry.engines import make_engine
from ekiben.registry.migrating import Migrations
from ekiben.schemas.spam import Message
from tests.logbook import NOON, line_of, spam_at, stamped, write
from tests.postgres import Postgres

LATER = NOON + timedelta(days=1)
EPOCH = datetime.fromtimestamp(0, UTC)


@pytest.fixture
def log(url: str) -> Iterator[PredictionStore]:
    with PredictionStore.opened(url) as opened:
        yield opened


def test_a_record_comes_back_as_it_was(log: PredictionStore) -> None:
    record = spam_at(
        row={"text": "Zürich\x1b ☃ 😀"}, batch_rows=3, seconds=0.25, caller="k-1"
    )
    write(log, [record])
    assert log.find(record.prediction_id) == record
    assert log.find(record.prediction_id.upper()) == record


@pytest.mark.parametrize("name", ["no id", "019aa41e-6f0b-7c52-9d43-0f2b8c61e704"])
def test_what_is_not_there_is_unknown(log: PredictionStore, name: str) -> None:
    with pytest.raises(UnknownPrediction):
        log.find(name)


def test_the_versions_that_answered_are_found_in_all_of_the_window(
    log: PredictionStore,
) -> None:
    write(
        log,
        [
            spam_at(0, tag="spam:old"),
            *(spam_at(minute, tag="spam:a") for minute in (1, 2, 3000)),
            spam_at(100_000, tag="spam:b"),
            spam_at(5, tag="iris:a"),
        ],
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
    records = [spam_at(minute) for minute in (0, 1, 1, 1, 1, 1, 2, 3)]
    write(log, [*records[::-1], spam_at(1, tag="iris:a")])
    found = list(
        log.read(
            "spam", since=NOON + timedelta(minutes=1), until=NOON + timedelta(minutes=3)
        )
    )
    expected = sorted(records[1:7], key=lambda one: (one.at, one.prediction_id))
    assert [record for record, _ in found] == expected
    assert {truth for _, truth in found} == {None}


def test_one_version_is_read_alone(log: PredictionStore) -> None:
    write(log, [spam_at(0), spam_at(1, tag="spam:b")])
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
    look = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT key FROM request').fetchall()"
    with PredictionStore.opened(url) as log, log.connect() as held:
        held.exec_driver_sql("SELECT 1 FROM request")
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
    records = [spam_at(minute) for minute in range(400)]
    write(log, [*records, spam_at(1, tag="spam:b"), spam_at(1, tag="iris:a")])
    window = {"since": NOON, "until": NOON + timedelta(minutes=300)}

    count, found = log.sample("spam", tag="spam:a", most=1000, **window)
    assert (count, found) == (300, records[:300])

    count, drawn = log.sample("spam", tag="spam:a", most=100, **window)
    assert count == 300
    assert 50 < len(drawn) < 150
    assert [one for one in records if one in drawn] == drawn
    assert log.sample("spam", tag="spam:a", most=100, **window) == (count, drawn)


def request(rows: int, minute: int = 0) -> Line:
    """One request of so many *rows*, as a server logs it."""
    ids, answered = stamped([{"label": "ham"}] * rows, "spam:a")
    asked = [Message(text=f"minute {minute}, row {number}") for number in range(rows)]
    at = (NOON + timedelta(minutes=minute)).timestamp()
    encoder = Encoder()
    entry = encoder.entry(
        "spam", "spam:a", at, ids, asked, answered, rows, 0.25, "r-1", "k-1"
    )
    return line_of(encoder, entry)


@pytest.fixture
def sink(url: str) -> Iterator[Sink]:
    made = Sink(url, durable=False, wait=5)
    yield made
    made.close()


def test_each_row_of_a_request_is_a_prediction_of_its_own(
    log: PredictionStore, sink: Sink
) -> None:
    line = request(3)
    sink.write([line])

    ids = [joined(line.key, number) for number in range(3)]
    found = [record for record, _ in log.read("spam", since=NOON, until=LATER)]

    assert [one.prediction_id for one in found] == ids
    assert [one.row["text"] for one in found] == [
        f"minute 0, row {number}" for number in range(3)
    ]
    assert [log.find(one) for one in ids] == found
    assert {str(one.answer) for one in found} == {"{'label': 'ham'}"}
    assert log.count("spam", since=NOON, until=LATER) == 3
    with pytest.raises(UnknownPrediction):
        log.find(joined(line.key, 3))


def test_requests_of_many_rows_are_read_and_removed_in_chunks(
    log: PredictionStore, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHUNK", 5)
    sizes = [1, 7, 1, 3, 4, 2, 12]
    sink.write([request(rows, minute) for minute, rows in enumerate(sizes)])

    found = [record for record, _ in log.read("spam", since=NOON, until=LATER)]

    assert [one.row["text"] for one in found] == [
        f"minute {minute}, row {number}"
        for minute, rows in enumerate(sizes)
        for number in range(rows)
    ]
    assert log.prune("spam", before=NOON + timedelta(minutes=4)) == 12
    assert log.count("spam", since=NOON, until=LATER) == 18


def test_a_sample_of_many_rows_is_drawn_from_many_requests(
    log: PredictionStore, sink: Sink
) -> None:
    sink.write([request(10, minute) for minute in range(500)])
    window = {"since": NOON, "until": LATER}

    count, drawn = log.sample("spam", tag="spam:a", most=200, **window)

    assert count == 5000
    # Keys are random: of 200 rows a sample differs by 17 or less in two cases of three.
    assert 100 < len(drawn) < 300
    # Where requests were drawn alone, these would be rows of twenty of them.
    assert len({one.at for one in drawn}) > 60
    assert log.sample("spam", tag="spam:a", most=200, **window) == (count, drawn)


def test_while_a_sample_is_taken_sqlite_can_shorten_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is taken at the lowest priority: what it held open would grow for minutes."""
    file = tmp_path / "log.db"
    url, busy = f"sqlite:///{file}", []
    sink = Sink(url, durable=False, wait=5)
    sink.write([request(100, minute) for minute in range(30)])
    other = sqlite3.connect(file)

    def looked(record: sa.RowMapping) -> Any:
        sink.write([request(1, 2000)])
        busy.append(other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
        return logged_in(record)

    monkeypatch.setattr(store, "logged_in", looked)
    with PredictionStore.opened(url) as log:
        _, drawn = log.sample(
            "spam", tag="spam:a", since=NOON, until=LATER, most=100_000
        )
    other.close()
    sink.close()

    assert len(drawn) == 3000
    assert busy == [0] * 30


FIRST = Migrations("ekiben.monitoring:migrations", "0001", "prediction_version")


def begin_with_a_row_a_record(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Make the tables as they were before a request was one record."""
    upgrade = command.upgrade
    with monkeypatch.context() as patched:
        patched.setattr(command, "upgrade", lambda config, _: upgrade(config, "0001"))
        FIRST.apply(engine, 5.0)


def test_a_log_of_a_row_a_record_is_brought_up_to_date(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(url, 5.0)
    one, other = "019aa41e-6f0b-7c52-9d43-0f2b8c61e7aa", str(uuid7())
    begin_with_a_row_a_record(engine, monkeypatch)
    with engine.begin() as connection:
        for identity in (one, other):
            connection.execute(
                sa.text(
                    "INSERT INTO prediction VALUES (:id, 'spam', 'spam:a', :at,"
                    " :row, :answer, 3, 0.25, 'r-1', 'k-1')"
                ).bindparams(sa.bindparam("id", type_=sa.Uuid(as_uuid=False))),
                {
                    "id": identity,
                    "at": microseconds(NOON),
                    "row": '{"text": "Zürich \u2603"}',
                    "answer": '{"label": "ham"}',
                },
            )
        connection.execute(
            sa.text(
                "INSERT INTO feedback VALUES (:id, '\"spam\"', :at, :at, 'k-1')"
            ).bindparams(sa.bindparam("id", type_=sa.Uuid(as_uuid=False))),
            {"id": one, "at": microseconds(LATER)},
        )
    engine.dispose()

    with PredictionStore.opened(url) as opened:
        found = dict(
            (record.prediction_id, (record, truth))
            for record, truth in opened.read("spam", since=NOON, until=LATER)
        )
        assert opened.find(one) == found[one][0]

    assert found.keys() == {one, other}
    record, truth = found[one]
    assert (record.row, record.answer) == ({"text": "Zürich ☃"}, {"label": "ham"})
    assert record.at == NOON
    assert truth == Observed(one, "spam", LATER, LATER, "k-1")
    assert found[other][1] is None


def test_in_sqlite_no_record_is_read_to_place_another_or_to_list_them(
    tmp_path: Path,
) -> None:
    """Records of a thousand rows fill dozens of pages, and a key is compared with many."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with PredictionStore.opened(url) as opened, opened.connect() as connection:
        # Only where records are not kept in the order of their keys is there a rowid.
        assert connection.scalar(sa.text("SELECT max(rowid) FROM request")) is None
        plan = connection.execute(
            sa.text(
                "EXPLAIN QUERY PLAN SELECT key, at, rows FROM request"
                " WHERE use_case = 'spam' AND at < 5 ORDER BY at, key"
            )
        ).all()
        assert "COVERING INDEX request_when" in str(plan)
        size = connection.scalar(sa.text("PRAGMA page_size"))
    assert size == engines.PAGE_BYTES


def test_a_long_log_is_brought_up_to_date_however_long_a_statement_may_take(
    postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.new_database()
    engine = make_engine(url, 5.0)
    begin_with_a_row_a_record(engine, monkeypatch)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO prediction SELECT gen_random_uuid(), 'spam', 'spam:a', n,"
                " '{}', '{}', 1, 0.25, 'r-1', 'k-1' FROM generate_series(1, 100000) n"
            )
        )
    engine.dispose()
    # Half a second: these rows take longer, as millions take longer than 4.5 s.
    monkeypatch.setattr(engines, "SERVER_SHARE", 0.1)

    with PredictionStore.opened(url) as opened:
        rows = opened.count("spam", since=EPOCH, until=NOON)

    assert rows == 100_000
