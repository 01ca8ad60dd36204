"""Whether a model call moves is told by the processor time that it uses."""

import threading
import time
from collections.abc import Iterator

import pytest

from ekiben.serving.model_threads import ModelThreads


@pytest.fixture
def threads() -> Iterator[ModelThreads]:
    with ModelThreads(2) as made:
        yield made


def test_a_call_gives_what_its_function_gives(threads: ModelThreads) -> None:
    assert threads.submit(divmod, 7, 2).result() == (3, 1)
    assert not threads.hung(0.0)


def test_a_call_that_waits_for_ever_hangs(threads: ModelThreads) -> None:
    lock = threading.Event()
    call = threads.submit(lock.wait)
    time.sleep(0.1)

    assert threads.hung(0.05)
    assert not threads.hung(60)

    lock.set()
    call.result()
    assert not threads.hung(0.0)


def test_a_call_that_computes_is_only_slow(threads: ModelThreads) -> None:
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(range(1000))

    call = threads.submit(compute)
    time.sleep(0.3)

    assert not threads.hung(0.25)
    stop.set()
    call.result()


def test_a_call_that_fails_is_not_watched_any_more(threads: ModelThreads) -> None:
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result()

    assert not threads.hung(0.0)
