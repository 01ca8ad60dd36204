"""A real Prometheus scrapes a running Ekiben; every query of the dashboards returns data."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from deploy.grafana.make import DASHBOARDS
from ekiben.use_cases.catalog import get_use_case
from tests.background import Background
from tests.faults.iris_home import QUICK, IrisHome, tag_of, until
from tests.metric_names import sample_names
from tests.prometheus import Prometheus, scrape
from tests.servers import Server, serve
from tests.unit.test_alerts import ALERTS, RECORDS

pytestmark = pytest.mark.server

IRIS = get_use_case("iris")
PREDICT = "/v1/iris/predict"
FEEDBACK = "/v1/iris/feedback"
SOON = {
    "EKIBEN_REFRESH_SECONDS": "1",
    "EKIBEN_MATURITY_SECONDS": "0",
    "EKIBEN_DRIFT_SECONDS": "1",
}
"""So that what is measured of the log is measured while the test looks."""
SECONDS = 12.0
"""Of traffic before the promotion, at one scrape a second."""
MOST_SECONDS = 90.0
"""Of traffic after it: until there is data for every query."""


def as_grafana_asks(query: str) -> str:
    """Fill in what Grafana does: all use cases, and its shortest window."""
    return query.replace("$use_case", ".*").replace("$__rate_interval", "10s")


QUERIES = [query for dashboard in DASHBOARDS for query in dashboard.queries]


class Clients(Background):
    """Good requests and feedback on them, bad ones, and some that nobody can answer in time."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def run(self) -> None:
        """Ask until the block ends."""
        good = {"rows": IRIS.examples * 10}
        many = {"rows": [IRIS.examples[0]] * 1000}
        with self._server.client() as client:
            while not self.ending.wait(0.02):
                answers = client.post(PREDICT, json=good).json()
                client.post(FEEDBACK, json={"items": [_truth(one) for one in answers]})
                client.post(PREDICT, json={"rows": []})
                client.post(PREDICT, json=many, headers={"X-Deadline-Ms": "1"})


def _truth(answer: dict[str, Any]) -> dict[str, Any]:
    return {"prediction_id": answer["prediction_id"], "label": answer["species"]}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that has scraped a server under traffic, in which a version was promoted."""
    home = IrisHome.make(tmp_path_factory.mktemp("home"))
    home.promote_first()
    directory = tmp_path_factory.mktemp("prometheus")
    with (
        serve(home.path, extra=QUICK | SOON) as server,
        scrape([server.url.removeprefix("http://")], directory) as running,
    ):
        with Clients(server):
            time.sleep(SECONDS)
            home.promote_unasked(home.second)
            until(lambda: tag_of(server) == home.second, 60)
            moment = first_with_data(running)
        # Rates are of the last seconds: asked as of now, they would be 0 before long.
        yield replace(running, moment=moment)


def first_with_data(running: Prometheus) -> float:
    """Return the first moment as of which every query has data, and both versions have
    answered in the last scrape; the last one tried, if none is such."""
    limit = time.monotonic() + MOST_SECONDS
    while True:
        time.sleep(1)
        now = replace(running, moment=time.time())
        if time.monotonic() > limit or (
            swap_is_seen(now)
            and all(
                has_data(now, query)
                for query in (*map(as_grafana_asks, QUERIES), *RECORDS)
            )
        ):
            assert now.moment
            return now.moment


def swap_is_seen(prometheus: Prometheus) -> bool:
    """Whether the last scrape came after the swap, and was not cut off by its time limit."""
    rows, up = prometheus.query("ekiben_rows_total"), prometheus.query("up")
    return len(rows) > 1 and all(one > 0 for one in values(rows + up))


def has_data(prometheus: Prometheus, query: str) -> bool:
    return any(math.isfinite(one) for one in values(prometheus.query(query)))


def values(found: list[dict[str, Any]]) -> list[float]:
    return [float(one["value"][1]) for one in found]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_the_dashboards_returns_data(
    prometheus: Prometheus, query: str
) -> None:
    found = values(prometheus.query(as_grafana_asks(query)))

    assert any(math.isfinite(one) for one in found), found


@pytest.mark.parametrize("record", RECORDS)
def test_a_recording_rule_has_data(prometheus: Prometheus, record: str) -> None:
    found = values(prometheus.query(record))

    assert any(math.isfinite(one) for one in found), found


def test_prometheus_took_the_rules_and_the_target(prometheus: Prometheus) -> None:
    groups = httpx.get(f"{prometheus.url}/api/v1/rules").json()["data"]["groups"]
    health = {
        rule["name"]: (rule["health"], rule.get("lastError"))
        for group in groups
        for rule in group["rules"]
    }

    assert health.keys() == ALERTS.keys() | RECORDS.keys()
    assert set(health.values()) == {("ok", None)}, json.dumps(health)
    assert values(prometheus.query("up")) == [1.0]


def test_rows_are_told_apart_by_version(prometheus: Prometheus) -> None:
    rows = prometheus.query("ekiben_rows_total")
    answering = prometheus.query("ekiben_version_answering")

    assert len(rows) == 2
    assert all(one > 0 for one in values(rows))
    assert sorted(values(answering)) == [0.0, 1.0]
    assert values(prometheus.query("ekiben_swap_seconds_count")) == [1.0]


def test_all_that_is_declared_is_there_after_some_traffic(
    prometheus: Prometheus,
) -> None:
    seen = {
        one["metric"]["__name__"] for one in prometheus.query('{__name__=~"ekiben_.*"}')
    }

    # Nobody asked for a key, so nobody's quota was used up.
    assert sample_names() - seen == {"ekiben_quota_refusals_total"}
    assert {one for one in seen if not one.startswith("ekiben:")} <= sample_names()
