"""A pytest plugin: notes how each test of a criterion went, and the figures it measured."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.criteria import RESULTS, read_results, rows

Figure = Callable[[str, object], None]

_seen: dict[str, dict[str, Any]] = {}


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Note a measured figure by its name, unit included; it stands in docs/faults.md."""
    return record_property


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the outcome of the call, or of the phase that came in its way."""
    if report.when == "call" or report.outcome != "passed":
        function, _, case = report.nodeid.partition("[")
        _seen.setdefault(function, {})[case.rstrip("]")] = {
            "outcome": report.outcome,
            "figures": dict(report.user_properties),
            "slow": "slow" in report.keywords,
        }


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Add what was seen to var/criteria.json; other tests' results stay."""
    if hasattr(session.config, "workerinput"):
        return  # it reports to the one who sent it, who writes
    known = {test for row in rows() for test in row.tests}
    fresh = {test: cases for test, cases in _seen.items() if test in known}
    if not fresh:
        return
    kept = {test: one for test, one in read_results().items() if test in known}
    for test, cases in fresh.items():
        kept[test] = {**kept.get(test, {}), **cases}
    RESULTS.parent.mkdir(exist_ok=True)
    written = RESULTS.with_suffix(f".{os.getpid()}")
    written.write_text(json.dumps(kept, indent=1, default=str))
    written.replace(RESULTS)
