"""`ekiben compare`: tables, JSON, a page that loads nothing."""

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ekiben.cli import app
from ekiben.cli.compare_page import render
from ekiben.datasets import load
from ekiben.errors import UnknownModel
from ekiben.evaluation.paired import SLICE_LEVEL
from ekiben.registry.store import Store
from ekiben.schemas.gates import (
    Calibration,
    CalibrationBin,
    Comparison,
    Difference,
    HoldoutFacts,
    Report,
    Side,
    SliceDifferences,
    Verdict,
)
from ekiben.training import train
from ekiben.use_cases.iris import IRIS

runner = CliRunner()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two versions of iris."""
    path = tmp_path_factory.mktemp("home")
    table = load(IRIS.dataset, cache=path, offline=True)
    for seed in (0, 1):
        train(
            IRIS,
            table,
            Store.at(path),
            now=lambda: datetime.now(UTC),
            clock=time.perf_counter,
            seed=seed,
        )
    return path


@pytest.fixture
def tags(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("BENTOML_HOME", str(home))
    return Store.at(home).tags("iris")


@pytest.mark.models
def test_both_versions_and_every_gate_are_shown(tags: list[str]) -> None:
    result = runner.invoke(app, ["compare", "iris", tags[0], tags[1]])

    assert result.exit_code == 0
    for told in (*tags, "accuracy", "rows compared", "regression", "latency"):
        assert told in result.stdout


@pytest.mark.models
def test_versions_without_their_use_case_and_prefixes_will_do(tags: list[str]) -> None:
    a, b = (tag.partition(":")[2] for tag in tags)
    result = runner.invoke(app, ["compare", "iris", a, b[:-4], "--json"])

    found = json.loads(result.stdout)
    assert found["incumbent"]["tag"] == tags[0]
    assert found["candidate"]["tag"] == tags[1]
    assert next(iter(found["metrics"])) == "accuracy"
    assert found["report"]["passed"] in (True, False)
    assert Comparison.model_validate(found).model_dump(mode="json") == found


@pytest.mark.models
def test_the_page_is_one_file_that_loads_nothing(
    tags: list[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"

    runner.invoke(app, ["compare", "iris", *tags, "--html", str(page)])

    html = page.read_text()
    assert all(tag in html for tag in tags)
    assert html.count("<svg") == 2  # iris has no slices
    assert not re.search(r"<script|<link|<img|src=|href=|url\(|@import", html)


def test_a_version_that_is_not_there_or_not_one_is_refused(tags: list[str]) -> None:
    unknown = runner.invoke(app, ["compare", "iris", tags[0], "nosuch"])
    ambiguous = runner.invoke(app, ["compare", "iris", tags[0], "iris:"])
    wrong = runner.invoke(app, ["compare", "tea", "a", "b"])

    assert isinstance(unknown.exception, UnknownModel)
    assert ambiguous.exit_code != 0
    assert wrong.exit_code == 2


def test_names_on_the_page_are_escaped_and_losses_marked() -> None:
    html = render(comparison("<b>"))

    assert "<b>" not in html.replace('<b class="key', "")
    assert "size &lt;b&gt;" in html
    assert 'class="bad"' in html
    assert f"{SLICE_LEVEL:g} %" in html
    assert "B is refused: slices" in html
    assert "it is unknown how many of them A has seen" in " ".join(html.split())


def comparison(group: str) -> Comparison:
    worse = Difference(
        candidate=0.5, incumbent=0.9, difference=-0.4, low=-0.6, high=-0.2
    )
    step = CalibrationBin(rows=9, stated=0.3, observed=0.4)
    error = Calibration(error=0.1, low=0.0, high=0.2, bins=(step,))
    a, b = (
        Side(tag=tag, calibration=error, scores=(5, 0, 4), latency_ms={"1": 0.5})
        for tag in ("iris:a", "iris:b")
    )
    return Comparison(
        report=Report(
            use_case="iris",
            candidate="iris:b",
            incumbent="iris:a",
            holdout=HoldoutFacts(rows=9, seen_by_incumbent=None, compared=9),
            verdicts=(Verdict(gate="slices", passed=False, words=f"size {group}"),),
        ),
        candidate=b,
        incumbent=a,
        disagreement=0.25,
        metrics={"accuracy": worse},
        slices={
            "size": {group: SliceDifferences(rows=60, metrics={"accuracy": worse})}
        },
    )
