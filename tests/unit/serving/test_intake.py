import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from uuid_utils import uuid7

from ekiben.errors import LogUnavailable, Overloaded
from ekiben.monitoring.feedback_store import FeedbackStore, Recorded
from ekiben.monitoring.records import Observed
from ekiben.schemas.feedback import FeedbackItem
from ekiben.serving import intake as module
from ekiben.serving.intake import Intake, made_at

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD = "0195519d-8f40-7c52-9d43-0f2b8c61e7aa"


class FakeStore:
    """A log that gets its predictions late, and keeps each label once."""

    def __init__(self, known: Sequence[str] = ()) -> None:
        self.predictions = set(known)
        self.kept: dict[str, Observed] = {}
        self.looks = 0
        self.before: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def known(self, use_case: str, ids: set[str]) -> set[str]:
        self.looks += 1
        self.before()
        return self.predictions & ids

    def record(self, observed: Sequence[Observed]) -> Recorded:
        with self._lock:
            new = [one for one in observed if one.prediction_id not in self.kept]
            self.kept |= {one.prediction_id: one for one in new}
        return Recorded(len(new), len(observed) - len(new), 0)


def intake(store: FakeStore) -> Intake:
    return Intake(lambda: cast("FeedbackStore", store))


def item(
    identity: str, label: object = "ham", at: datetime | None = None
) -> FeedbackItem:
    fields = {"prediction_id": identity, "label": label}
    return FeedbackItem.model_validate(
        fields | ({"observed_at": at.isoformat()} if at else {})
    )


def assert_released(event: threading.Event) -> None:
    assert event.wait(10)


def take(taker: Intake, *items: FeedbackItem) -> Any:
    return asyncio.run(taker.take("spam", items, NOON, "k-1"))


def test_each_item_is_accepted_a_duplicate_or_unknown() -> None:
    store = FakeStore([OLD])
    stranger = OLD.replace("0195", "0194")

    taken = take(intake(store), item(OLD.upper()), item(stranger.upper()))
    again = take(intake(store), item(OLD))

    assert (taken.accepted, taken.duplicates) == (1, 0)
    assert taken.unknown == [stranger.upper()]
    assert (again.accepted, again.duplicates, again.unknown) == (0, 1, [])


def test_what_is_kept_says_when_it_was_true_and_who_said_so() -> None:
    other = str(uuid7())
    store = FakeStore([OLD, other])
    noon_before = datetime(2026, 2, 28, 12, tzinfo=UTC)

    take(intake(store), item(OLD, "spam"), item(other, "ham", noon_before))

    assert store.kept[OLD] == Observed(OLD, "spam", NOON, NOON, "k-1")
    assert store.kept[other].observed_at == noon_before


def test_a_fresh_prediction_is_waited_for() -> None:
    fresh = str(uuid7())
    store = FakeStore()

    def flush() -> None:
        if store.looks == 4:
            store.predictions.add(fresh)

    store.before = flush

    taken = take(intake(store), item(fresh))

    assert (taken.accepted, taken.unknown) == (1, [])


@pytest.mark.alone
def test_a_fresh_prediction_that_never_comes_is_unknown_after_a_second() -> None:
    store = FakeStore()
    start = time.monotonic()

    taken = take(intake(store), item(str(uuid7())))

    assert len(taken.unknown) == 1
    assert 0.9 < time.monotonic() - start < 5


def test_an_old_id_or_one_without_a_time_is_not_waited_for() -> None:
    store = FakeStore()
    random = "6f0b019a-e41e-4c52-9d43-0f2b8c61e7aa"

    taken = take(intake(store), item(OLD), item(random))

    assert len(taken.unknown) == 2
    assert store.looks == 1


def test_the_event_loop_goes_on_while_the_database_stands_still() -> None:
    released = threading.Event()
    store = FakeStore([OLD])
    store.before = lambda: assert_released(released)

    async def run() -> int:
        taker = intake(store)
        waiting = asyncio.create_task(taker.take("spam", [item(OLD)], NOON, ""))
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not waiting.done()
        released.set()
        return (await waiting).accepted

    assert asyncio.run(run()) == 1


def test_more_requests_than_may_wait_are_refused_and_later_ones_taken() -> None:
    released = threading.Event()
    store = FakeStore([OLD])
    store.before = lambda: assert_released(released)

    async def run() -> None:
        taker = intake(store)
        waiting = [
            asyncio.create_task(taker.take("spam", [item(OLD)], NOON, ""))
            for _ in range(module.MOST_REQUESTS)
        ]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await taker.take("spam", [item(OLD)], NOON, "")
        released.set()
        taken = await asyncio.gather(*waiting)
        assert sum(one.accepted for one in taken) == 1
        assert sum(one.duplicates for one in taken) == module.MOST_REQUESTS - 1
        await taker.take("spam", [item(OLD)], NOON, "")

    asyncio.run(run())


def test_a_call_that_waited_too_long_is_not_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", -1.0)
    store = FakeStore([OLD])

    with pytest.raises(LogUnavailable):
        take(intake(store), item(OLD))

    assert store.looks == 0


def test_the_log_that_is_away_is_told_and_the_place_given_back() -> None:
    def away() -> FeedbackStore:
        raise LogUnavailable("a test")

    taker = Intake(away)
    for _ in range(module.MOST_REQUESTS + 1):
        with pytest.raises(LogUnavailable):
            take(taker, item(OLD))


def test_an_id_tells_when_it_was_made() -> None:
    made = made_at(str(uuid7()))

    assert made is not None
    assert abs(made - time.time()) < 60
    assert made_at("6f0b019a-e41e-4c52-9d43-0f2b8c61e7aa") is None
