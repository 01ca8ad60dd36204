"""docs/monitoring.md has every metric as the code declares it, and every variable of traces."""

import re

from deploy.grafana.make import DASHBOARDS
from ekiben.serving import traces
from ekiben.serving.sheet import BYTES, REST_SECONDS
from tests.metric_names import PAGE, in_page, table
from tests.unit.test_alerts import ALERTS

TEXT = PAGE.read_text()


def test_the_table_of_metrics_is_what_the_code_declares() -> None:
    assert in_page(TEXT) == table(), "python -m tests.metric_names writes it anew"


def test_every_variable_that_the_code_reads_is_in_the_table_of_traces() -> None:
    read = {*traces.ENDPOINTS, *traces.PROTOCOLS, "OTEL_SDK_DISABLED"}

    assert read | {"OTEL_TRACES_EXPORTER"} <= set(re.findall(r"`(OTEL_\w+)", TEXT))


def test_every_dashboard_and_alert_is_named() -> None:
    assert all(f"`{one.title}`" in TEXT for one in DASHBOARDS)
    assert all(f"[{name}](operations.md#{name.lower()})" in TEXT for name in ALERTS)


def test_the_sizes_that_it_states_are_those_of_the_code() -> None:
    assert f"{sum(BYTES.values()) // 1024} KiB" in TEXT
    assert f"{REST_SECONDS:.0f} seconds" in TEXT
