"""The short way of a predict request: who is let on it, and that it answers as the ordinary one."""

import asyncio
import re
from typing import Any

import pytest
from prometheus_client import REGISTRY

from ekiben.errors import NotReady, QuotaExceeded, RateLimited, Unauthenticated
from tests.edges import BODY, JSON, PATH, MakeEdge, asked
from tests.fakes import Doubler, Wrong


def counts() -> dict[tuple[str, ...], float]:
    """Return the requests counted so far, by status and code."""
    name = "ekiben_requests_total"
    return {
        (sample.labels["status"], sample.labels["code"]): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == name and sample.labels["use_case"] == "double"
    }


def test_an_ordinary_request_needs_no_task(edge: MakeEdge) -> None:
    one = edge()

    line = one.say(asked())

    assert one.tasks == []
    assert line.written.startswith(b"HTTP/1.1 200 OK\r\ndate: today\r\n")
    assert b'"double":42.0' in line.written
    assert b"\r\nx-model: double:1\r\n" in line.written
    assert one.door.charged == [1]
    assert one.life.in_flight == 0
    assert one.state.total_requests == 1


LONG = b'{"rows":[{"value":21}],"%s":0}' % (b"x" * 2000)
ORDINARY = {
    "another-path": [asked(line=b"POST /v1/double/predict/ HTTP/1.1\r\n")],
    "another-method": [asked(line=b"PUT " + PATH + b" HTTP/1.1\r\n")],
    "old-http": [asked(line=b"POST " + PATH + b" HTTP/1.0\r\n")],
    "no-host": [asked(host=b"")],
    "a-charset": [asked(kind=b"Content-Type: application/json; charset=utf-8\r\n")],
    "another-kind": [asked(kind=b"Content-Type: text/plain\r\n")],
    "no-kind": [asked(kind=b"")],
    "an-encoding": [asked(BODY, b"Content-Encoding: gzip\r\n")],
    "another-form": [asked(BODY, b"Accept: application/vnd.apache.arrow.stream\r\n")],
    "any-form-but-json": [asked(BODY, b"Accept: application/json;q=0, */*\r\n")],
    "a-deadline": [asked(BODY, b"X-Deadline-Ms: 5000\r\n")],
    "a-bad-deadline": [asked(BODY, b"X-Deadline-Ms: soon\r\n")],
    "asks-to-go-on": [asked(BODY, b"Expect: 100-continue\r\n")],
    "last-of-its-connection": [asked(BODY, b"Connection: close\r\n")],
    "a-header-twice": [asked(BODY, JSON)],
    "another-header-twice": [asked(BODY, b"X-A: 1\r\nX-A: 2\r\n")],
    "too-long": [asked(LONG)],
    "chunked": [
        b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\n" + JSON,
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(BODY), BODY),
        b"0\r\n\r\n",
    ],
    "in-two-pieces": [asked()[:-5], asked()[-5:]],
    "in-three-pieces": [asked()[:-30], asked()[-30:-5], asked()[-5:]],
}


@pytest.mark.parametrize("name", ORDINARY)
def test_what_is_unusual_goes_the_ordinary_way_whole(edge: MakeEdge, name: str) -> None:
    one = edge(body_bytes=1024)

    one.say(*ORDINARY[name])

    assert len(one.tasks) == 1
    assert one.life.in_flight == 0


def test_a_server_that_drains_refuses_the_ordinary_way(edge: MakeEdge) -> None:
    one = edge()
    one.life.refusing = True

    line = one.say(asked())

    assert one.tasks == [PATH]
    assert b'"draining"' in line.written


SAME = {
    "good": asked(),
    "accepts-anything": asked(BODY, b"Accept: */*\r\n"),
    "accepts-json": asked(BODY, b"Accept: application/json\r\n"),
    "accepts-as-browsers": asked(
        BODY, b"Accept: application/json, text/plain, */*\r\n"
    ),
    "many-rows": asked(b'{"rows":[%b]}' % b",".join([b'{"value":1}'] * 50)),
    "own-id-not-sane": asked(identity=b"X-Request-ID: a b\r\n"),
    "traced": asked(
        BODY,
        b"Traceparent: 00-%b-%b-01\r\n" % (b"1" * 32, b"2" * 16),
    ),
    "empty": asked(b""),
    "no-json": asked(b'{"rows":['),
    "not-utf-8": asked(b'{"rows":[{"value":"\xff"}]}'),
    "nested": asked(b'{"rows":' + b"[" * 300 + b"]" * 300 + b"}"),
    "no-rows": asked(b'{"rows":[]}'),
    "too-many-rows": asked(b'{"rows":[%b]}' % b",".join([b'{"value":1}'] * 1001)),
    "not-a-number": asked(b'{"rows":[{"value":NaN}]}'),
    "a-text": asked(b'{"rows":[{"value":"21"}]}'),
    "unknown-field": asked(b'{"rows":[{"value":21,"other":1}]}'),
    "unknown-at-the-top": asked(b'{"rows":[{"value":21}],"other":1}'),
    "field-twice": asked(b'{"rows":[{"value":21,"value":22}]}'),
    "field-twice-escaped": asked(b'{"rows":[{"value":21,"v\\u0061lue":22}]}'),
    "field-missing": asked(b'{"rows":[{}]}'),
    "very-many-fields": asked(
        b'{"rows":[{%b}]}' % b",".join(b'"f%d":1' % n for n in range(2000))
    ),
    "poison": asked(b'{"rows":[{"value":13}]}'),
}


def without_ids(written: bytes) -> bytes:
    """Return an answer without what is new in each."""
    written = re.sub(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", b"ID", written)
    return re.sub(rb"\b[0-9a-f]{32}\b", b"ID", written)


@pytest.mark.parametrize("name", SAME)
def test_both_ways_answer_with_the_same_bytes_and_count_the_same(
    edge: MakeEdge, name: str
) -> None:
    answers, counted = [], []
    for short in (True, False):
        one = edge(short=short, model=Doubler(poison=13))
        before = counts()
        answers.append(without_ids(one.say(SAME[name]).written))
        one.worker.publish()
        after = counts()
        grown = {key: value - before.get(key, 0) for key, value in after.items()}
        counted.append({key: value for key, value in grown.items() if value})
        assert len(one.tasks) == (not short)
        assert one.life.in_flight == 0

    assert answers[0] == answers[1]
    assert answers[0].count(b"HTTP/1.1 ") == 1
    assert counted[0] == counted[1]
    assert sum(counted[0].values()) == 1


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        pytest.param(RateLimited(3), b"429", id="rate"),
        pytest.param(Unauthenticated(), b"401", id="no-key"),
        pytest.param(KeyError("a fault of ours"), b"500", id="a-fault"),
    ],
)
def test_who_is_not_let_in_is_refused_the_same(
    edge: MakeEdge, refusal: Exception, status: bytes
) -> None:
    answers = []
    for short in (True, False):
        one = edge(short=short)
        one.door.refusal = refusal
        answers.append(one.say(asked()).written)
        assert one.model.calls == []

    assert answers[0] == answers[1]
    assert answers[0].startswith(b"HTTP/1.1 " + status)


def test_rows_over_the_day_s_are_refused_before_the_model(edge: MakeEdge) -> None:
    one = edge()

    def used_up(_: int) -> None:
        raise QuotaExceeded(60)

    one.door.charge = used_up
    line = one.say(asked())

    assert one.tasks == []
    assert line.written.startswith(b"HTTP/1.1 429")
    assert b"\r\nretry-after: 60\r\n" in line.written
    assert one.model.calls == []


@pytest.mark.parametrize(
    ("model", "code"),
    [
        pytest.param(Wrong(lambda answers: answers[1:]), b'"internal"', id="too-few"),
        pytest.param(Wrong(lambda _: [{"double": {1}}]), b'"internal"', id="no-json"),
    ],
)
def test_a_model_at_fault_is_a_500_and_the_connection_lives(
    edge: MakeEdge, model: Any, code: bytes
) -> None:
    one = edge(model=model)

    line = one.say(asked())

    assert line.written.startswith(b"HTTP/1.1 500")
    assert code in line.written
    assert not line.ended
    assert one.life.in_flight == 0


def test_without_a_model_it_is_not_ready(edge: MakeEdge) -> None:
    one = edge()

    def none() -> Any:
        raise NotReady("double", "no version is production")

    one.worker.dispatchers["double"]._model = none
    line = one.say(asked())

    assert line.written.startswith(b"HTTP/1.1 503")
    assert b'"not_ready"' in line.written


def test_an_answer_that_would_wait_for_the_log_is_never_sent_before_it(
    edge: MakeEdge,
) -> None:
    one = edge()

    async def run() -> bytes:
        waiting = asyncio.get_running_loop().create_future()
        route = one.guard._predict[PATH]
        route.finish = lambda *_: waiting  # type: ignore[assignment]
        opened = one.connect()
        opened.data_received(asked())
        await one.answered(opened)
        written: bytes = opened.transport.written
        return written

    assert asyncio.run(run()).startswith(b"HTTP/1.1 500")


def test_a_request_in_flight_is_counted_until_its_refusal_is_sent(
    edge: MakeEdge,
) -> None:
    one = edge()

    async def run() -> list[int]:
        opened = one.connect()
        opened.data_received(asked(b"{"))
        seen = [one.life.in_flight]
        await one.answered(opened)
        return [*seen, one.life.in_flight]

    assert asyncio.run(run()) == [1, 0]
