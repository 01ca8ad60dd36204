"""The log's writer on each database: what it writes is read, twice is once, and it comes back."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from uuid_utils import uuid7

from ekiben.errors import LogUnavailable
from ekiben.monitoring.entries import Line
from ekiben.monitoring.ids import NUMBERS, split
from ekiben.monitoring.prediction_log import PredictionLog, logged
from ekiben.monitoring.records import EPOCH, microseconds
from ekiben.monitoring.sink import Sink
from ekiben.monitoring.store import PredictionStore
from ekiben.registry.engines import make_engine
from ekiben.schemas.spam import Message
from ekiben.settings import Settings
from tests.logbook import stamped
from tests.postgres import Postgres
from tests.timing import at_most, measures_time

PATIENCE = 120.0

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime.now(UTC) + timedelta(days=9)


def lines(count: int, *, days: int = 0) -> list[Line]:
    return [
        Line(
            key=split(str(uuid7()))[0],
            use_case="spam",
            tag="spam:a",
            at=microseconds(NOON + timedelta(days=days, seconds=number)),
            first=0,
            rows=1,
            batch_rows=count,
            seconds=0.25,
            request_id="r-1",
            caller="k\ufffd",
            asked=json.dumps([{"text": f"Zürich\x1b ☃ '; \\ %s ? {number}"}]),
            answered=json.dumps([{"label": "ham"}]),
        )
        for number in range(count)
    ]


@pytest.fixture
def sink(url: str) -> Iterator[Sink]:
    made = Sink(url, durable=True, wait=5)
    yield made
    made.close()


def held(url: str) -> list[str]:
    with PredictionStore.opened(url) as store:
        found = store.read("spam", since=EPOCH, until=LATER)
        return [one.row["text"] for one, _ in found]


def test_lines_of_any_number_come_back_in_order(sink: Sink, url: str) -> None:
    written = lines(237)
    sink.write(written)
    assert held(url) == [json.loads(one.asked)[0]["text"] for one in written]


def test_what_is_written_again_is_there_once(sink: Sink, url: str) -> None:
    written = lines(12)
    sink.write(written[:5])
    sink.write(written)
    assert len(held(url)) == 12


def test_the_log_knows_what_it_holds(sink: Sink) -> None:
    one, other = lines(2)
    sink.write([one])
    assert sink.contains(one.key)
    assert not sink.contains(other.key)


def test_a_writer_that_comes_back_uses_what_a_newer_ekiben_only_added_to(
    sink: Sink, url: str
) -> None:
    """Replicas are replaced one by one: the old ones' connections may break meanwhile."""
    written = lines(2)
    sink.write(written[:1])
    engine = make_engine(url, 5)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE request ADD COLUMN more TEXT"))
        added = "UPDATE prediction_version SET version_num = version_num || '.1'"
        connection.execute(sa.text(added))
    engine.dispose()
    sink.close()

    sink.write(written[1:])

    assert held(url) == [json.loads(one.asked)[0]["text"] for one in written]


def test_old_predictions_are_removed_and_young_ones_stay(
    sink: Sink, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ekiben.monitoring.store.CHUNK", 10)
    sink.write([*lines(25), *lines(4, days=3)])
    with PredictionStore.opened(url) as store:
        assert store.count("spam", since=EPOCH, until=LATER) == 29
        assert store.prune("spam", before=NOON + timedelta(days=1)) == 25
        assert store.prune("iris", before=LATER) == 0
        assert store.count("spam", since=EPOCH, until=LATER) == 4


@pytest.fixture
def away(postgres_server: Postgres) -> Iterator[Postgres]:
    """PostgreSQL, started again should a test have stopped it."""
    yield postgres_server
    if postgres_server.process is None:
        postgres_server.start()


def test_a_postgresql_that_is_restarted_is_found_again(away: Postgres) -> None:
    url = away.new_database()
    sink = Sink(url, durable=True, wait=2)
    written = lines(3)
    sink.write(written[:1])
    away.stop(signal.SIGQUIT)
    with pytest.raises(LogUnavailable):
        sink.write(written[1:])
    away.start()
    sink.write(written[1:])
    assert len(held(url)) == 3
    sink.close()


class Silent:
    def __init__(self) -> None:
        self.rows = 0
        self.gone = 0

    def written(self, use_case: str, rows: int) -> None:
        self.rows += rows

    def dropped(self, use_case: str, reason: str, rows: int) -> None:
        self.gone += rows

    def waiting(self, rows: int) -> None:
        pass

    def flushed(self, seconds: float) -> None:
        pass

    def available(self, is_available: bool) -> None:
        pass


def started(url: str, policy: str, tmp_path: Path, told: Silent) -> PredictionLog:
    settings = Settings.model_validate({"database_url": url, "log": policy})
    made = PredictionLog.start(settings, {"spam": Message}, told, tmp_path)
    assert made is not None
    return made


def test_requests_that_share_a_record_keep_what_is_theirs(
    url: str, tmp_path: Path
) -> None:
    predictions = started(url, "fail-open", tmp_path, Silent())
    expected: list[tuple[Any, ...]] = []

    async def answer_together() -> None:
        for number, size in enumerate((1, 3, 2)):
            rows = [Message(text=f"{number}, row {row}") for row in range(size)]
            found = predictions.gathered("spam", "spam:a", "k-1", 6, rows)
            assert found is not None
            ids = [found.ids + NUMBERS[found.rows + row] for row in range(size)]
            answers = [
                {"label": row.text, "prediction_id": one, "model": "spam:a"}
                for row, one in zip(rows, ids, strict=True)
            ]
            sent = json.dumps(answers).encode()
            name, seconds = f"r-{number}", number / 8
            predictions.join(found, rows, sent, seconds=seconds, request_id=name)
            expected.extend(
                (one, row.text, {"label": row.text}, seconds, name, "k-1", 6)
                for row, one in zip(rows, ids, strict=True)
            )

    asyncio.run(answer_together())
    predictions.stop(30)
    settings = Settings.model_validate({"database_url": url})
    with PredictionStore.opened(settings.log_url) as store:
        found = [one for one, _ in store.read("spam", since=EPOCH, until=LATER)]
        assert [store.find(one.prediction_id) for one in found] == found
        assert store.count("spam", since=EPOCH, until=LATER) == len(expected) == 6
    assert len({split(one.prediction_id)[0] for one in found}) == 1
    facts = [
        "prediction_id",
        "row",
        "answer",
        "seconds",
        "request_id",
        "caller",
        "batch_rows",
    ]
    assert [tuple(getattr(one, name) for name in facts) for one in found] == [
        (one, {"text": text}, *rest) for one, text, *rest in expected
    ]


def add(predictions: PredictionLog) -> "asyncio.Future[None] | None":
    ids, answered = stamped([{"label": "ham"}], "spam:a")
    return predictions.add(
        "spam",
        "spam:a",
        ids,
        [Message(text="a")],
        answered,
        batch_rows=1,
        seconds=0.1,
        request_id="r",
        caller="",
    )


@measures_time
@pytest.mark.alone
@pytest.mark.parametrize("policy", ["fail-open", "fail-closed"])
def test_c60_a_postgresql_that_is_stopped_holds_nobody_and_loses_nothing(
    away: Postgres, policy: str, tmp_path: Path
) -> None:
    """SIGSTOP: it keeps its connections, and says nothing."""
    url, told = away.new_database(), Silent()
    predictions = started(url, policy, tmp_path, told)

    async def ask() -> bool:
        waiter = add(predictions)
        try:
            if waiter is not None:
                await logged(waiter, 30)
        except LogUnavailable:
            return False
        return True

    def answered() -> bool:
        began = time.monotonic()
        done = asyncio.run(ask())
        at_most(6, time.monotonic() - began)
        return done

    assert answered()
    until_written(told, 1)
    with away.stopped():
        while_stopped = [answered() for _ in range(3)]
    assert while_stopped == [policy == "fail-open"] * 3
    end = time.monotonic() + PATIENCE
    while not answered():
        assert time.monotonic() < end
    predictions.stop(30)
    assert len(held(url)) >= told.rows > 1
    assert told.gone == 0
    if policy == "fail-open":
        assert told.rows == 5


def until_written(told: Silent, rows: int) -> None:
    end = time.monotonic() + PATIENCE
    while told.rows < rows:
        assert time.monotonic() < end
        time.sleep(0.02)
