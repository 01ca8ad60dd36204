import asyncio
import math
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from uuid_utils import uuid7

from ekiben.errors import LogUnavailable
from ekiben.monitoring.feedback_store import FeedbackStore
from ekiben.monitoring.opening import LateStore
from ekiben.monitoring.records import Logged, Observed
from ekiben.serving import live as module
from ekiben.serving.live import Live, performance_of
from ekiben.serving.read_api import groups_of
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case
from tests.logbook import write

SPAM = get_use_case("spam")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait long for figures: a busy machine is no failure."""
    monkeypatch.setattr(module, "WAIT_SECONDS", 60.0)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FeedbackStore]:
    with FeedbackStore.opened(f"sqlite:///{tmp_path / 'log.db'}") as opened:
        yield opened


def keep(log: FeedbackStore, tag: str, labels: str, *, days: float = 1.0) -> None:
    """Log predictions of spam, all of them so many *days* ago; `s` and `h` are their labels, `?` none."""
    at = datetime.now(UTC) - timedelta(days=days)
    answer = {"label": "spam", "probability": 0.9, "threshold": 0.5}
    records = [
        Logged(str(uuid7()), "spam", tag, at, {"text": "a"}, answer, 1, 0.1, "r", "")
        for _ in labels
    ]
    write(log, records)
    came = at + timedelta(minutes=1)
    names = {"s": "spam", "h": "ham"}
    log.record(
        [
            Observed(record.prediction_id, names[label], came, came, "")
            for record, label in zip(records, labels, strict=True)
            if label in names
        ]
    )


def live(log: FeedbackStore, seconds: float = 60.0) -> Live:
    return Live(Settings(refresh_seconds=seconds), [SPAM], lambda: log)


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_the_gauges_say_what_came_true(log: FeedbackStore) -> None:
    keep(log, "spam:gauged", "sssh??")

    live(log).publish()

    quality = {"use_case": "spam", "model": "spam:gauged"}
    assert gauge("ekiben_live_quality", metric="accuracy", **quality) == 0.75
    assert gauge("ekiben_live_quality", metric="recall", **quality) == 1.0
    assert gauge("ekiben_feedback_coverage", use_case="spam") == pytest.approx(4 / 6)


def test_a_version_that_is_in_the_window_no_more_is_shown_no_more(
    log: FeedbackStore,
) -> None:
    keep(log, "spam:old", "ss", days=1)
    shown = live(log)
    shown.publish()
    labels = {"use_case": "spam", "model": "spam:old", "metric": "accuracy"}
    assert gauge("ekiben_live_quality", **labels) == 1.0

    for number in range(module.MOST_VERSIONS):
        keep(log, f"spam:new{number}", "s", days=0.5)
    shown.publish()

    assert math.isnan(gauge("ekiben_live_quality", **labels) or 0.0)


def test_figures_are_kept_for_as_long_as_the_settings_say(log: FeedbackStore) -> None:
    keep(log, "spam:a", "ss")

    async def ask() -> tuple[Any, Any, Any]:
        lasting, quick = live(log), live(log, seconds=1.0)
        first = await lasting.quality("spam")
        await quick.quality("spam")
        keep(log, "spam:a", "hh")
        same = await lasting.quality("spam")
        await asyncio.sleep(1.1)
        return first, same, await quick.quality("spam")

    first, same, new = asyncio.run(ask())

    assert first is same
    assert first.versions[0].predictions == 2
    assert new.versions[0].predictions == 4


def test_many_who_ask_at_once_wait_for_one_measuring(log: FeedbackStore) -> None:
    keep(log, "spam:a", "ss")
    opened = []

    def store() -> FeedbackStore:
        opened.append(1)
        return log

    async def ask() -> list[Any]:
        one = Live(Settings(), [SPAM], store)
        return await asyncio.gather(*(one.quality("spam") for _ in range(20)))

    assert len({id(one) for one in asyncio.run(ask())}) == 1
    assert len(opened) == 1


def test_what_takes_long_is_said_to_be_measured_and_ready_later(
    log: FeedbackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    keep(log, "spam:a", "ss")
    released = threading.Event()

    def store() -> FeedbackStore:
        assert released.wait(10)
        return log

    async def ask() -> tuple[Any, Any]:
        one = Live(Settings(), [SPAM], store)
        early = await performance_of(one, "spam", "overall", groups_of)
        released.set()
        monkeypatch.setattr(module, "WAIT_SECONDS", 60.0)
        return early, await performance_of(one, "spam", "overall", groups_of)

    early, late = asyncio.run(ask())

    assert (early.state, early.versions) == ("measuring", [])
    assert late.state == "measured"
    assert late.versions[0].metrics["accuracy"].value == 1.0


@pytest.mark.parametrize("error", [LogUnavailable("a test"), KeyError("a fault")])
def test_a_log_that_is_away_is_told_and_asked_again(
    log: FeedbackStore, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    keep(log, "spam:a", "ss")
    away = [error]

    def store() -> FeedbackStore:
        if away:
            raise away.pop()
        return log

    async def ask() -> tuple[Any, Any]:
        one = Live(Settings(), [SPAM], store)
        first = await performance_of(one, "spam", "overall", groups_of)
        return first, await performance_of(one, "spam", "class:spam", groups_of)

    first, second = asyncio.run(ask())

    assert first.state == "unavailable"
    assert "live quality not measured" in caplog.text
    assert second.state == "measured"
    assert set(second.versions[0].metrics) == {"precision", "recall", "f1"}


def test_a_filter_that_live_traffic_has_not_seen_is_empty(log: FeedbackStore) -> None:
    keep(log, "spam:a", "ss")

    found = asyncio.run(
        performance_of(live(log), "spam", "slice:length:over 300", groups_of)
    )

    assert (found.versions[0].rows, found.versions[0].metrics) == (None, {})


def test_the_gauges_stay_while_the_log_is_away(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    store = LateStore(f"sqlite:///{blocked / 'log.db'}")

    with pytest.raises(LogUnavailable):
        Live(Settings(), [SPAM], store).publish()
