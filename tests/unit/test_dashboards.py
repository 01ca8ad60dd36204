"""The dashboards' files are what the script makes, and ask only for what there is."""

import json
import re

import pytest
import yaml

from deploy.grafana.make import DASHBOARDS, FOLDER, text_of
from deploy.grafana.panels import Dashboard
from tests.metric_names import declared, sample_names
from tests.unit.test_alerts import RECORDS

each = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.uid)


@each
def test_the_file_is_what_the_script_makes(dashboard: Dashboard) -> None:
    assert (FOLDER / f"{dashboard.uid}.json").read_text() == text_of(dashboard)


def test_there_is_no_file_that_the_script_does_not_make() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {one.uid for one in DASHBOARDS}


@each
def test_every_metric_of_the_queries_exists(dashboard: Dashboard) -> None:
    text = "\n".join(dashboard.queries)

    assert set(re.findall(r"\bekiben_[a-z_]+", text)) <= sample_names()
    assert set(re.findall(r"\bekiben:[a-z_:0-9]+", text)) <= RECORDS.keys()


def test_every_metric_is_on_a_dashboard_or_known_not_to_be() -> None:
    text = "\n".join(query for one in DASHBOARDS for query in one.queries)
    text += "".join(rule["expr"] for rule in RECORDS.values())
    unseen = {
        name
        for name, one in declared().items()
        if not any(re.search(rf"\b{sample}\b", text) for sample in one.samples)
    }

    assert unseen == UNSEEN


UNSEEN = {
    # With ekiben_dropped_requests_total and ekiben_errors_total nothing new.
    "ekiben_admitted_requests_total",
    "ekiben_answered_requests_total",
    "ekiben_refused_requests_total",
    # In ekiben_requests_total by their codes.
    "ekiben_quota_refusals_total",
    "ekiben_rate_refusals_total",
}


@each
def test_panels_have_ids_of_their_own_and_do_not_overlap(dashboard: Dashboard) -> None:
    panels = json.loads(text_of(dashboard))["panels"]
    places = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24


def test_grafana_s_provisioning_names_what_is_there() -> None:
    folder = FOLDER.parent / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources/ekiben.yaml").read_text())[
        "datasources"
    ]
    (provider,) = yaml.safe_load((folder / "dashboards/ekiben.yaml").read_text())[
        "providers"
    ]

    assert source["type"] == "prometheus"
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
