"""The runbook names only metrics and settings that exist."""

import re

from ekiben.settings import PREFIX, Settings
from tests.metric_names import declared, sample_names
from tests.servers import PROJECT

PAGE = (PROJECT / "docs" / "operations.md").read_text()


def test_every_metric_of_the_runbook_is_one_of_ours() -> None:
    ours = sample_names() | declared().keys()
    named = set(re.findall(r"\bekiben_[a-z_]+", PAGE))

    assert named
    assert named <= ours


def test_every_setting_of_the_page_is_one_of_ours() -> None:
    ours = {PREFIX + name.upper() for name in Settings.model_fields}

    assert set(re.findall(r"EKIBEN_[A-Z_]+", PAGE)) <= ours
