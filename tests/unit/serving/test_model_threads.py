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

    try:
        end = time.monotonic() + 20
        while not threads.hung(0.05):
            assert time.monotonic() < end
            time.sleep(0.01)
        assert not threads.hung(60)
    finally:
        lock.set()
    call.result()
    assert not threads.hung(0.0)


def test_a_call_that_computes_is_only_slow(threads: ModelThreads) -> None:
    computed, stop = threading.Event(), threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(range(1000))
            if time.thread_time() > 0.3:
                computed.set()

    call = threads.submit(compute)
    assert computed.wait(60)

    assert not threads.hung(0.25)
    stop.set()
    call.result()


def test_a_call_that_fails_is_not_watched_any_more(threads: ModelThreads) -> None:
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result()

    assert not threads.hung(0.0)


def test_threads_that_were_started_early_are_there_when_no_more_can_be_had(
    threads: ModelThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads.start()

    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with ModelThreads(2) as late, monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        together = threading.Barrier(3)
        calls = [threads.submit(together.wait) for _ in range(2)]
        with pytest.raises(RuntimeError, match="new thread"):
            late.submit(divmod, 7, 2)
        late.start()
        together.wait(10)

    assert sorted(call.result(10) for call in calls) != [0, 0]
