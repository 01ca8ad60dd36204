"""Rules and alerts are right by promtool's own tests, and each alert has its page."""

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.metric_names import sample_names
from tests.prometheus import DEPLOY, program
from tests.servers import PROJECT

RUNBOOK = (PROJECT / "docs" / "operations.md").read_text().partition("## Runbook\n")[2]
RULE_FILES = ("recording.yml", "alerts.yml")


def rules(name: str) -> list[dict[str, Any]]:
    content = yaml.safe_load((DEPLOY / name).read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules("alerts.yml")}
RECORDS = {rule["record"]: rule for rule in rules("recording.yml")}


def promtool(*words: str) -> str:
    done = subprocess.run(
        [program("promtool"), *words],
        cwd=DEPLOY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cases(name: str) -> Iterator[dict[str, Any]]:
    content = yaml.safe_load((DEPLOY / "tests" / name).read_text())
    assert [one.removeprefix("../") for one in content["rule_files"]] == [
        one for one in RULE_FILES if one in (name, "recording.yml")
    ]
    for test in content["tests"]:
        yield from test.get("alert_rule_test", ())
        yield from test.get("promql_expr_test", ())


def test_promtool_finds_no_fault_with_configuration_and_rules() -> None:
    promtool("check", "config", "--syntax-only", "prometheus.yml")
    promtool("check", "rules", *RULE_FILES)
    named = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["rule_files"]
    assert tuple(named) == RULE_FILES


@pytest.mark.parametrize("name", RULE_FILES)
def test_the_rules_pass_their_tests(name: str) -> None:
    promtool("test", "rules", f"tests/{name}")


def test_a_rule_that_is_wrong_does_not_pass(tmp_path: Any) -> None:
    for name in (*RULE_FILES, "tests/alerts.yml"):
        text = (DEPLOY / name).read_text().replace("ratio5m > 0.01", "ratio5m > 0.5")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    with pytest.raises(AssertionError, match="HighErrorRate"):
        promtool("test", "rules", str(tmp_path / "tests" / "alerts.yml"))


def test_every_alert_is_seen_to_fire_and_to_keep_quiet() -> None:
    fires: dict[str, set[bool]] = {}
    for case in cases("alerts.yml"):
        fires.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))

    assert fires == {name: {True, False} for name in ALERTS}


def test_every_recording_rule_is_seen_with_data_and_without() -> None:
    seen: dict[str, list[Any]] = {}
    for case in cases("recording.yml"):
        seen.setdefault(case["expr"], []).append(case["exp_samples"])

    assert seen.keys() == RECORDS.keys()
    assert all(len(found) == 2 and found[0] for found in seen.values())


def test_alerts_and_runbook_are_the_same() -> None:
    assert re.findall(r"^### (\w+)$", RUNBOOK, re.MULTILINE) == list(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_where_its_section_is_and_how_urgent(name: str) -> None:
    alert = ALERTS[name]

    assert alert["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
    assert alert["annotations"]["summary"]
    assert alert["labels"]["severity"] in ("page", "ticket")


@pytest.mark.parametrize("name", ALERTS)
def test_a_section_of_the_runbook_says_what_it_means_and_what_to_do(name: str) -> None:
    section = RUNBOOK.split(f"### {name}\n")[1].split("\n### ")[0]

    for start in ("It means: ", "Look at ", "Do: "):
        assert re.search(rf"^{start}", section, re.MULTILINE), (name, start)


def test_every_metric_of_the_rules_is_one_of_ours() -> None:
    text = "".join(rule["expr"] for rule in (*ALERTS.values(), *RECORDS.values()))
    named = set(re.findall(r"\bekiben_[a-z_]+", text))
    recorded = set(re.findall(r"\bekiben:[a-z_:0-9]+", text))

    assert named <= sample_names()
    assert recorded <= RECORDS.keys()
