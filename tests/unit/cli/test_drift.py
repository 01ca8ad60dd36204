"""`ekiben drift`: a table, JSON, a page that loads nothing, and an exit code for cron."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner
from uuid_utils import uuid7

from ekiben.cli import app
from ekiben.cli.drift_page import chance, render
from ekiben.errors import Drifted, NoProduction, PageNotWritten
from ekiben.monitoring.records import Logged
from ekiben.monitoring.reference import (
    REFERENCE,
    Counts,
    Numbers,
    Reference,
    render_reference,
)
from ekiben.monitoring.store import PredictionStore
from ekiben.registry.store import Store
from ekiben.schemas.drift import Drift, PartDrift, Shares, SignalDrift
from ekiben.settings import Settings
from tests import tiny
from tests.logbook import write

runner = CliRunner()
FIELDS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
ROWS = 300


def widths(seed: int, shift: float = 0.0) -> list[float]:
    drawn = np.random.default_rng(seed).normal(3 + shift, 0.5, ROWS)
    return [float(one) for one in drawn]


def reference() -> Reference:
    value = Numbers(rows=ROWS, sample=tuple(sorted(widths(0))))
    return Reference(
        rows=ROWS,
        unseen_rows=ROWS,
        fields={name: {"value": value} for name in FIELDS},
        prediction={"label": Counts(counts={"setosa": ROWS})},
        vocabulary={},
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose production of iris has a reference, and an empty log."""
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    kept = {REFERENCE: render_reference(reference())}
    tiny.promote(tmp_path, tiny.register(Store.at(tmp_path), extras=kept))
    return tmp_path


def ask(home: Path, *, shift: float = 0.0, age: timedelta = timedelta(hours=1)) -> None:
    """Log rows whose petals are wider by *shift*."""
    (tag,) = Store.at(home).tags("iris")
    rows = zip(
        *(widths(1, shift if "petal_w" in name else 0) for name in FIELDS), strict=True
    )
    with PredictionStore.opened(Settings(home=home).log_url) as log:
        write(
            log,
            [
                Logged(
                    prediction_id=str(uuid7()),
                    use_case="iris",
                    tag=tag,
                    at=datetime.now(UTC) - age,
                    row=dict(zip(FIELDS, row, strict=True)),
                    answer={"species": "setosa"},
                    batch_rows=1,
                    seconds=0.1,
                    request_id="r",
                    caller="",
                )
                for row in rows
            ],
        )


def asked(*options: str) -> dict[str, Any]:
    result = runner.invoke(app, ["drift", "iris", "--json", *options])
    assert result.exit_code == 0
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_rows_as_they_were_are_no_drift(home: Path) -> None:
    ask(home)

    found = asked("--fail-on-drift")

    assert found["verdict"] == "none"
    assert found["rows_compared"] == ROWS
    assert found["not_computed"] == []
    assert Drift.model_validate(found).tag == found["tag"]


def test_the_field_that_moved_is_shown_and_the_exit_code_is_zero_unless_asked(
    home: Path,
) -> None:
    ask(home, shift=0.25)

    plain = runner.invoke(app, ["drift", "iris"])
    strict = runner.invoke(app, ["drift", "iris", "--fail-on-drift"])

    assert plain.exit_code == 0
    assert plain.stdout.startswith("iris: drifted\ndrifted: petal_width (value: mean")
    assert all(f"{name}, value" in plain.stdout for name in FIELDS)
    assert strict.exit_code == 1
    assert isinstance(strict.exception, Drifted)
    assert "petal_width" in str(strict.exception)


def test_only_the_window_that_is_asked_for_is_looked_at(home: Path) -> None:
    ask(home, age=timedelta(days=8))

    assert asked()["verdict"] == "not enough rows"
    assert asked("--since", "9d")["verdict"] == "none"


def test_a_version_from_before_references_is_told_and_is_no_failure(
    home: Path,
) -> None:
    store = Store.at(home)
    tiny.promote(home, tiny.register(store, make_card=tiny.trained(9)))

    found = asked()

    assert found["verdict"] == "no reference"
    assert "train it again" in found["words"]
    assert "train it again" in runner.invoke(app, ["drift", "iris"]).stdout


def test_without_production_and_with_wrong_words_it_is_refused(home: Path) -> None:
    nothing = runner.invoke(app, ["drift", "spam"])
    unknown = runner.invoke(app, ["drift", "tea"])
    never = runner.invoke(app, ["drift", "iris", "--since", "yesterday"])

    assert isinstance(nothing.exception, NoProduction)
    assert (unknown.exit_code, never.exit_code) == (2, 2)


def test_the_page_is_one_file_that_loads_nothing(home: Path, tmp_path: Path) -> None:
    page = tmp_path / "drift.html"
    ask(home, shift=0.25)

    runner.invoke(app, ["drift", "iris", "--html", str(page)])

    html = page.read_text()
    assert html.count("<svg") == len(FIELDS) + 1
    assert html.index("petal_width, value") < html.index("sepal_length, value")
    assert not re.search(r"<script|<link|<img|src=|href=|url\(|@import", html)


def test_a_page_that_cannot_be_written_is_refused(home: Path, tmp_path: Path) -> None:
    nowhere = runner.invoke(app, ["drift", "iris", "--html", "/nowhere/drift.html"])
    full = runner.invoke(app, ["drift", "iris", "--html", "/dev/full"])

    assert nowhere.exit_code == 2
    assert "no folder" in nowhere.output
    assert isinstance(full.exception, PageNotWritten)
    assert "No space left" in str(full.exception)


def test_names_on_the_page_are_escaped_and_gaps_named() -> None:
    shares = Shares(
        names=("<b>", "all others"), edges=(), reference=(0.4, 0.6), current=(0.1, 0.9)
    )
    value = SignalDrift(
        signal="value",
        verdict="drifted",
        reference_rows=10,
        current_rows=200,
        psi=0.5,
        test="chi-square",
        corrected_p=1e-300,
        words="<b>: 40.0% -> 10.0% of rows",
        never_seen={"<i>": 4},
        shares=shares,
    )
    html = render(
        Drift(
            use_case="tea",
            tag="tea:a",
            since=tiny.NOON,
            until=tiny.NOON,
            verdict="drifted",
            words="drifted: leaf (<b>)",
            explained_by=("leaf",),
            watched=(),
            not_computed=("note, length: <s>",),
            rows_answered=200,
            rows_compared=200,
            reference_rows=10,
            fields=(
                PartDrift(
                    name="leaf", kind="category", verdict="drifted", signals=(value,)
                ),
            ),
            prediction=None,
        )
    )

    assert not re.search("<b>&|<b>:|<i>|<s>", html)
    assert "never seen: &lt;i&gt; (4 rows)" in html
    assert "note, length: &lt;s&gt;" in html
    assert "&lt; 1e-100" in html


@pytest.mark.parametrize(
    ("p", "said"),
    [(None, "-"), (0.25, "0.250"), (0.0004, "4e-04"), (1e-200, "< 1e-100")],
)
def test_chances_are_short(p: float | None, said: str) -> None:
    assert chance(p) == said
