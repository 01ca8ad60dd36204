"""The tables show medians, and how often Ekiben answers where another answers once."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from benchmarks.report import markdown, show, show_verdicts, times
from benchmarks.results import Results, Spread
from benchmarks.targets import Verdict
from tests.unit.benchmarks.measured import measured

RESULTS = Results((*measured("ekiben", [8000]), *measured("tutorial", [500])))


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        pytest.param(Spread(12.06, 11.8, 12.6), "12.1x (11.8-12.6)", id="measured"),
        pytest.param(None, "-", id="not-measured"),
    ],
)
def test_a_ratio_is_shown_with_its_spread(ratio: Spread | None, shown: str) -> None:
    assert times(ratio) == shown


def test_markdown_has_a_line_per_server() -> None:
    lines = markdown(RESULTS, "two cores").splitlines()

    assert lines[2:5] == [
        "| server | iris |",
        "| --- | ---: |",
        "| FastAPI tutorial | 16.0x |",
    ]
    first = lines.index("**iris, 1 row, 32 connections**")
    lines = lines[first:]
    assert lines[4] == "| Ekiben | 8,000 | 1.00 | 2.00 | 0 |  | 300 |"
    assert lines[5].endswith("| 0 | 16.0x (16.0-16.0) | 300 |")
    assert lines[-1] == "two cores"


def test_the_terminal_shows_the_same_figures() -> None:
    out = io.StringIO()

    show(Console(file=out), RESULTS, "two cores")

    assert "16.0x (16.0-16.0)" in out.getvalue()
    assert "FastAPI tutorial" in out.getvalue()


def test_what_others_took_of_the_processors_is_told_where_it_is_known() -> None:
    stolen = iter([0.0, 0.02, 0.31])
    disturbed = [
        replace(one, figures=replace(one.figures, stolen=next(stolen)))
        for one in measured("ekiben", [8000, 8001, 8002])
    ]

    told = markdown(Results(tuple(disturbed)), "two cores")

    assert "* Others took 2 % of the processors' time in the median" in told
    assert "measurement, 31 % at most\n" in told
    assert "Others took" not in markdown(RESULTS, "two cores")


def test_missed_targets_are_named_and_met_ones_counted() -> None:
    out = io.StringIO()
    judged = [Verdict("a", True), Verdict("b", False, "2 ms"), Verdict("c", None)]

    show_verdicts(Console(file=out, width=80), judged)

    assert out.getvalue().splitlines() == [
        "missed: b (2 ms)",
        "not measured: c",
        "1 of 3 targets met",
    ]
