"""Requests and batches of a real server reach a collector as spans, linked to each other."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from ekiben.use_cases.catalog import get_use_case
from tests.collector import Collector, Seen, collect
from tests.faults.iris_home import QUICK, IrisHome
from tests.servers import PROJECT, START_SECONDS, Server, free_port, serve
from tests.timing import at_most, measures_time

pytestmark = pytest.mark.server

PREDICT = "/v1/iris/predict"
GOOD = {"rows": get_use_case("iris").examples}
MANY = {"rows": get_use_case("iris").examples[:1] * 400}
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
QUICKLY = {"OTEL_BSP_SCHEDULE_DELAY": "100"}


@pytest.fixture(scope="module")
def iris_home(tmp_path_factory: pytest.TempPathFactory) -> IrisHome:
    home = IrisHome.make(tmp_path_factory.mktemp("home"))
    home.promote_first()
    return home


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collect() as running:
        yield running


@pytest.fixture(scope="module", params=["fast", "bentoml"])
def server(
    iris_home: IrisHome, collector: Collector, request: pytest.FixtureRequest
) -> Iterator[Server]:
    collector.spans.clear()
    extra = {
        **QUICK,
        **QUICKLY,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "EKIBEN_QUEUE_MS": "20000",  # so that nobody is refused
        "EKIBEN_FAST_ROUTE": str(request.param == "fast").lower(),
    }
    with serve(iris_home.path, extra=extra) as running:
        yield running


def span_of(collector: Collector, request_id: str) -> Seen:
    """Return the span of one request."""

    def ours(one: Collector) -> list[Seen]:
        spans = list(one.spans)  # it grows meanwhile
        return [x for x in spans if x.attributes.get("ekiben.request_id") == request_id]

    collector.wait(lambda one: bool(ours(one)))
    (found,) = ours(collector)
    return found


def batches_of(collector: Collector, span: Seen) -> list[Seen]:
    linked = (span.trace, span.id)
    collector.wait(lambda one: any(linked in x.links for x in one.named("batch iris")))
    return [one for one in collector.named("batch iris") if linked in one.links]


def test_a_request_s_span_continues_the_client_s_trace(
    server: Server, collector: Collector, iris_home: IrisHome
) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    answer = httpx.post(server.url + PREDICT, json=GOOD, headers=headers)

    span = span_of(collector, answer.headers["x-request-id"])
    assert (span.trace, span.parent, span.kind) == (TRACE, PARENT, 2)
    assert span.name == "POST /v1/iris/predict"
    assert span.attributes == {
        "http.request.method": "POST",
        "url.path": PREDICT,
        "http.response.status_code": 200,
        "ekiben.model": iris_home.first,
        "ekiben.request_id": answer.headers["x-request-id"],
        "ekiben.use_case": "iris",
        "ekiben.rows": len(GOOD["rows"]),
    }
    assert span.resource["service.name"] == "ekiben"
    assert not span.error


def test_its_batch_is_in_the_same_trace_and_linked_both_ways(
    server: Server, collector: Collector, iris_home: IrisHome
) -> None:
    answer = httpx.post(server.url + PREDICT, json=GOOD)

    span = span_of(collector, answer.headers["x-request-id"])
    (batch,) = batches_of(collector, span)
    assert (batch.trace, batch.parent) == (span.trace, span.id)
    assert span.links == ((batch.trace, batch.id),)
    assert batch.attributes == {
        "ekiben.use_case": "iris",
        "ekiben.model": iris_home.first,
        "ekiben.rows": len(GOOD["rows"]),
        "ekiben.requests": 1,
    }
    assert 0 < batch.nanoseconds <= span.nanoseconds


def test_a_batch_of_many_is_linked_to_each_of_its_requests(
    server: Server, collector: Collector
) -> None:
    with server.client() as client, ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: client.post(PREDICT, json=MANY), range(96)))
    assert {one.status_code for one in answers} == {200}
    ids = [one.headers["x-request-id"] for one in answers]

    spans = [span_of(collector, one) for one in ids]
    batches = {one.id: one for span in spans for one in batches_of(collector, span)}
    linked = Counter(link for batch in batches.values() for link in batch.links)
    assert {(span.trace, span.id) for span in spans} == linked.keys()
    assert sum(one.attributes["ekiben.rows"] for one in batches.values()) == 96 * 400
    for span in spans:
        assert {(one.trace, one.id) for one in batches_of(collector, span)} == set(
            span.links
        )


def test_a_request_that_is_not_sampled_leaves_no_span(
    server: Server, collector: Collector
) -> None:
    before = len(collector.named("batch"))
    headers = {"traceparent": f"00-{'7' * 32}-{PARENT}-00"}
    assert httpx.post(server.url + PREDICT, json=GOOD, headers=headers).is_success
    httpx.get(server.url + "/livez")

    last = httpx.get(server.url + "/v1/models")
    span_of(collector, last.headers["x-request-id"])
    assert len(collector.named("batch")) == before
    assert not [span for span in collector.spans if span.trace == "7" * 32]
    asked = [span.attributes.get("url.path") for span in collector.spans]
    assert "/livez" not in asked


def test_what_a_client_sends_names_no_span(
    server: Server, collector: Collector
) -> None:
    refused = httpx.post(server.url + PREDICT, json={"rows": []})
    unknown = httpx.request("PUT", server.url + "/v1/coffee?key=secret")

    span = span_of(collector, refused.headers["x-request-id"])
    assert (span.name, span.error) == ("POST", False)
    assert span.attributes["http.response.status_code"] == 422
    other = span_of(collector, unknown.headers["x-request-id"])
    assert other.name == "HTTP"
    assert other.attributes["url.path"] == "/v1/coffee"
    assert "secret" not in str(collector.spans)


@measures_time
@pytest.mark.alone
def test_a_collector_that_is_away_holds_nobody_up(iris_home: IrisHome) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    extra = {**QUICK, **QUICKLY, "OTEL_EXPORTER_OTLP_ENDPOINT": gone}
    with serve(iris_home.path, extra=extra) as server:
        with server.client() as client:
            answers = [client.post(PREDICT, json=GOOD) for _ in range(300)]
        assert {one.status_code for one in answers} == {200}
        begun = time.monotonic()
        server.process.terminate()
        assert server.process.wait(20) == 0
        took = time.monotonic() - begun
    at_most(2, max(one.elapsed.total_seconds() for one in answers))
    at_most(10, took)


def test_spans_are_sent_before_the_server_ends(iris_home: IrisHome) -> None:
    with collect() as collector:
        extra = {
            **QUICK,
            "OTEL_BSP_SCHEDULE_DELAY": "60000",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_SERVICE_NAME": "shop",
        }
        with serve(iris_home.path, extra=extra) as server:
            answer = httpx.post(server.url + PREDICT, json=GOOD)
            assert not collector.named("batch")

        span = span_of(collector, answer.headers["x-request-id"])
        assert span.resource["service.name"] == "shop"


def test_a_protocol_that_is_not_spoken_ends_the_start_with_one_line(
    iris_home: IrisHome, tmp_path: Path
) -> None:
    extra = {
        **QUICK,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    }
    with serve(iris_home.path, extra=extra, wait=False, cwd=PROJECT) as server:
        assert server.process.wait(START_SECONDS) == 1
        said = server.output.read_text().splitlines()
    ours = [line for line in said if line.startswith("ekiben: ")]
    assert ours == ["ekiben: OTEL_EXPORTER_OTLP_PROTOCOL: only http/protobuf is spoken"]
    assert "Traceback" not in "\n".join(said)
