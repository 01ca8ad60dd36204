"""The dispatcher: what is batched, who fails, what is dropped."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from ekiben.errors import (
    BatchShapeMismatch,
    ClientGone,
    DeadlineExceeded,
    NotReady,
    Overloaded,
)
from ekiben.serving.admission import Admission
from ekiben.serving.dispatcher import Answer, Dispatcher, Limits, Model
from ekiben.use_cases.answers import Answers
from tests.fakes import Doubler, Held, Wrong, numbers, run

Make = Callable[..., Dispatcher]


@pytest.fixture
def make() -> Iterator[Make]:
    with ThreadPoolExecutor(1) as executor:

        def dispatcher(
            model: Model,
            rows_in_flight: int = 1000,
            batch_rows: int = 100,
            slow: bool = False,
            queue_seconds: float = 1000.0,
            batch_seconds: float = 1000.0,
        ) -> Dispatcher:
            if slow:
                model.cost.learn(1, 0.01)
            return Dispatcher(
                "test",
                lambda: model,
                executor,
                Admission(rows_in_flight),
                Limits(queue_seconds, batch_rows, batch_seconds),
            )

        yield dispatcher


def doubles(answer: Answer) -> list[float]:
    return [fields["double"] for fields in answer.fields]


def test_a_lone_request_is_answered_in_order_and_names_its_version(make: Make) -> None:
    answer = run(make(Doubler()).submit(numbers(3, 1, 2), seconds=1))

    assert doubles(answer) == [6, 2, 4]
    assert answer.tag == "double:1"


@pytest.mark.parametrize("slow", [False, True], ids=["on-the-loop", "in-a-thread"])
def test_each_request_of_a_batch_gets_its_own_rows(make: Make, slow: bool) -> None:
    model = Doubler()
    dispatcher = make(model, slow=slow)

    async def clients() -> list[Answer]:
        return await asyncio.gather(
            *(dispatcher.submit(numbers(n, n + 100), seconds=5) for n in range(40))
        )

    answers = run(clients())

    assert [doubles(a) for a in answers] == [[2 * n, 2 * n + 200] for n in range(40)]
    assert len(model.calls) < 5


def test_rows_that_come_while_the_model_is_busy_share_the_next_call(make: Make) -> None:
    model = Doubler(seconds=0.05)
    dispatcher = make(model, slow=True)

    async def clients() -> None:
        first = asyncio.create_task(dispatcher.submit(numbers(0), seconds=5))
        await asyncio.sleep(0.01)
        rest = [dispatcher.submit(numbers(n), seconds=5) for n in range(1, 9)]
        await asyncio.gather(first, *rest)

    run(clients())

    assert [len(call) for call in model.calls] == [1, 8]


def test_a_batch_takes_no_more_rows_than_it_may_unless_one_request_has_more(
    make: Make,
) -> None:
    model = Doubler()
    dispatcher = make(model, batch_rows=10)

    async def clients() -> None:
        await asyncio.gather(
            *(
                dispatcher.submit(numbers(*range(size)), seconds=5)
                for size in (4, 4, 4, 35, 4)
            )
        )

    run(clients())

    assert [len(call) for call in model.calls] == [8, 4, 35, 4]


@pytest.mark.parametrize("guilty", [0, 13, 31])
def test_only_the_request_that_makes_the_model_raise_fails(
    make: Make, guilty: int
) -> None:
    dispatcher = make(Doubler(poison=guilty))

    async def clients() -> list[Any]:
        return await asyncio.gather(
            *(dispatcher.submit(numbers(n), seconds=5) for n in range(32)),
            return_exceptions=True,
        )

    outcomes = run(clients())

    assert isinstance(outcomes[guilty], ValueError)
    others = [o for n, o in enumerate(outcomes) if n != guilty]
    assert [doubles(o) for o in others] == [[2 * n] for n in range(32) if n != guilty]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda answers: answers[:-1], id="one-missing"),
        pytest.param(lambda answers: [*answers, answers[0]], id="one-too-many"),
        pytest.param(lambda answers: [], id="none"),
    ],
)
def test_a_wrong_number_of_answers_reaches_nobody(
    make: Make, change: Callable[[list[Any]], list[Any]]
) -> None:
    dispatcher = make(Wrong(change))

    async def clients() -> list[Any]:
        return await asyncio.gather(
            *(dispatcher.submit(numbers(n, n), seconds=5) for n in range(4)),
            return_exceptions=True,
        )

    assert all(isinstance(o, BatchShapeMismatch) for o in run(clients()))


@pytest.mark.parametrize("slow", [False, True], ids=["on-the-loop", "in-a-thread"])
def test_what_is_predicted_after_the_deadline_is_not_answered(
    make: Make, slow: bool
) -> None:
    dispatcher = make(Doubler(seconds=0.05), slow=slow, batch_rows=2)

    with pytest.raises(DeadlineExceeded):
        run(dispatcher.submit(numbers(1, 2, 3), seconds=0.01))


def test_rows_whose_deadline_passed_in_the_queue_never_reach_the_model(
    make: Make,
) -> None:
    model = Held()
    dispatcher = make(model)

    async def clients() -> Any:
        first = asyncio.create_task(dispatcher.submit(numbers(1), seconds=5))
        await model.reached()
        # More than is expected of two rows: it is let in.
        late = await asyncio.gather(
            dispatcher.submit(numbers(2), seconds=0.3), return_exceptions=True
        )
        model.let.set()
        await first
        after = await dispatcher.submit(numbers(3), seconds=5)
        return late[0], after

    late, after = run(clients())

    assert isinstance(late, DeadlineExceeded)
    assert doubles(after) == [6]
    assert model.calls == [[1], [3]]


def test_rows_of_a_client_that_left_never_reach_the_model(make: Make) -> None:
    model = Doubler()
    dispatcher = make(model)

    async def clients() -> Any:
        return await asyncio.gather(
            dispatcher.submit(numbers(1), seconds=5, gone=lambda: True),
            dispatcher.submit(numbers(2), seconds=5),
            return_exceptions=True,
        )

    gone, stayed = run(clients())

    assert isinstance(gone, ClientGone)
    assert doubles(stayed) == [4]
    assert model.calls == [[2]]


def test_a_full_queue_refuses_and_then_recovers(make: Make) -> None:
    model = Held()
    dispatcher = make(model, rows_in_flight=16)

    async def clients() -> list[Any]:
        first = asyncio.create_task(dispatcher.submit(numbers(1), seconds=5))
        await model.reached()
        asked = asyncio.gather(
            *(dispatcher.submit(numbers(n, n), seconds=5) for n in range(8)),
            return_exceptions=True,
        )
        await asyncio.sleep(0)  # all of them have asked
        model.let.set()
        outcomes = await asked
        await first
        return [*outcomes, await dispatcher.submit(numbers(9), seconds=5)]

    *outcomes, after = run(clients())

    refused = [o for o in outcomes if isinstance(o, Overloaded)]
    assert len(refused) == 2
    assert all(one.retry_after > 0 for one in refused)
    assert doubles(after) == [18]


def test_without_a_model_every_request_is_told_so_and_the_queue_goes_on(
    make: Make,
) -> None:
    def no_model() -> Model:
        raise NotReady("test", "no version is promoted yet")

    with ThreadPoolExecutor(1) as executor:
        dispatcher = Dispatcher(
            "test", no_model, executor, Admission(10), Limits(1, 1, 1)
        )

        async def clients() -> list[Any]:
            return await asyncio.gather(
                *(dispatcher.submit(numbers(n), seconds=5) for n in range(3)),
                return_exceptions=True,
            )

        assert all(isinstance(o, NotReady) for o in run(clients()))


class Exhausted(ThreadPoolExecutor):
    """Has a thread to be had from its second call on."""

    refused = 0

    def submit(self, *call: Any, **more: Any) -> Any:
        if not self.refused:
            self.refused += 1
            raise RuntimeError("can't start new thread")
        return super().submit(*call, **more)


def test_where_no_thread_can_be_started_it_is_overloaded_and_goes_on() -> None:
    model = Doubler()
    model.cost.learn(1, 0.01)
    with Exhausted(1) as executor:
        admission = Admission(10)
        dispatcher = Dispatcher(
            "test", lambda: model, executor, admission, Limits(1000, 100, 1000)
        )

        async def clients() -> tuple[list[Any], Answer]:
            refused = await asyncio.gather(
                *(dispatcher.submit(numbers(n), seconds=5) for n in range(3)),
                return_exceptions=True,
            )
            return refused, await dispatcher.submit(numbers(9), seconds=5)

        refused, after = run(clients())

    assert [type(one) for one in refused] == [Overloaded] * 3
    assert doubles(after) == [18]
    assert admission.rows == 0
    assert not any(dispatcher.versions.of(model.tag).errors.values())


def test_a_swap_falls_between_two_batches() -> None:
    current = [Doubler(tag="double:1")]
    with ThreadPoolExecutor(1) as executor:
        dispatcher = Dispatcher(
            "test", lambda: current[0], executor, Admission(100), Limits(1, 2, 1)
        )

        async def clients() -> list[str]:
            before = await dispatcher.submit(numbers(1), seconds=5)
            current[0] = Doubler(tag="double:2")
            after = await dispatcher.submit(numbers(1), seconds=5)
            return [before.tag, after.tag]

        assert run(clients()) == ["double:1", "double:2"]


def test_a_callers_flood_is_refused_before_anothers_single_request_waits(
    make: Make,
) -> None:
    model = Doubler(seconds=0.01)
    dispatcher = make(model, slow=True, batch_rows=1, queue_seconds=0.2)

    async def clients() -> tuple[list[Any], int]:
        # What the model costs is known from its first call on.
        await dispatcher.submit(numbers(0), seconds=5)
        flood = [
            asyncio.create_task(
                dispatcher.submit(numbers(n), seconds=5, caller="flood")
            )
            for n in range(200)
        ]
        await asyncio.sleep(0.02)
        before = len(model.calls)
        await dispatcher.submit(numbers(1), seconds=5, caller="other")
        waited = len(model.calls) - before  # calls: time is the machine's
        return await asyncio.gather(*flood, return_exceptions=True), waited

    outcomes, waited = run(clients())

    refused = [one for one in outcomes if isinstance(one, Overloaded)]
    answered = [one for one in outcomes if isinstance(one, Answer)]
    assert len(refused) > 100
    assert len(refused) + len(answered) == 200
    assert waited < 100


def test_all_pieces_of_a_long_request_are_answered_by_the_version_that_began_it() -> (
    None
):
    old, new = Doubler(tag="double:1"), Doubler(tag="double:2")
    for model in (old, new):
        model.cost.learn(100, 0.1)
        model.cost.learn(1, 0.001)
    versions = iter([old])
    with ThreadPoolExecutor(1) as executor:
        dispatcher = Dispatcher(
            "test",
            lambda: next(versions, new),
            executor,
            Admission(5000),
            Limits(10, 100, 0.05),
        )

        async def clients() -> tuple[Answer, Answer]:
            return await asyncio.gather(
                dispatcher.submit(numbers(*range(500)), seconds=5),
                dispatcher.submit(numbers(7), seconds=5),
            )

        long, short = run(clients())

    assert doubles(long) == [2 * n for n in range(500)]
    assert long.tag == "double:1"
    assert doubles(short) == [14]
    assert len(old.calls) > 1


class InColumns(Doubler):
    """Answers columns with columns."""

    def predict(self, rows: Any) -> Any:
        answers = super().predict(rows)
        doubled = np.array([one["double"] for one in answers])
        return Answers({"double": doubled}, len(answers))


def test_the_pieces_of_a_long_request_stay_columns() -> None:
    model = InColumns()
    model.cost.learn(100, 0.1)
    model.cost.learn(1, 0.001)
    limits = Limits(10, 100, 0.05)
    with ThreadPoolExecutor(1) as executor:
        dispatcher = Dispatcher(
            "test", lambda: model, executor, Admission(5000), limits
        )
        answer = run(dispatcher.submit(numbers(*range(500)), seconds=5))

    assert len(model.calls) > 1
    assert isinstance(answer.fields, Answers)
    assert doubles(answer) == [2 * n for n in range(500)]
