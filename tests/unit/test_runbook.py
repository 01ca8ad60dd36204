"""The runbook names only metrics and settings that exist."""

import re

from prometheus_client.metrics import MetricWrapperBase

from ekiben.serving import metrics
from ekiben.settings import PREFIX, Settings
from tests.servers import PROJECT

PAGE = (PROJECT / "docs" / "operations.md").read_text()


def test_every_metric_of_the_runbook_is_one_of_ours() -> None:
    ours = {
        sample
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
        for family in metric.describe()
        for sample in (family.name, f"{family.name}_total")
    }
    named = set(re.findall(r"\bekiben_[a-z_]+", PAGE))

    assert named
    assert named <= ours


def test_every_setting_of_the_page_is_one_of_ours() -> None:
    ours = {PREFIX + name.upper() for name in Settings.model_fields}

    assert set(re.findall(r"EKIBEN_[A-Z_]+", PAGE)) <= ours
