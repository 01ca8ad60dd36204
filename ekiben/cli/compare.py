"""`ekiben compare`: two versions on the same rows, as tables, as JSON, as a page."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ekiben.cli.compare_page import render
from ekiben.cli.pages import Html, write_page
from ekiben.comparison import compare
from ekiben.errors import UnknownUseCase
from ekiben.registry.store import Store
from ekiben.releases import resolve
from ekiben.schemas.gates import Comparison, Difference, Report
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case


def compare_command(
    use_case: Annotated[str, typer.Argument(metavar="USE_CASE")],
    a: Annotated[str, typer.Argument(metavar="A", help="The incumbent.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The candidate.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    html: Html = None,
) -> None:
    """Compare version B with version A on the rows that B was tested on.

    A version is given exactly or by an unambiguous prefix. Differences are B less A.
    """
    try:
        chosen = get_use_case(use_case)
    except UnknownUseCase as error:
        raise typer.BadParameter(str(error)) from None
    store = Store.at(Settings.from_env().home)
    tags = store.entries(use_case)
    old, new = (resolve(use_case, one, tags) for one in (a, b))
    with Console(stderr=True).status("comparing"):
        found = compare(new, old, store=store, use_case=chosen)
    if html:
        write_page(html, render(found))
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        print_comparison(found, Console())


def print_comparison(found: Comparison, console: Console) -> None:
    """Print both versions' figures and what the gates say, as tables."""
    console.print(f"A  {found.incumbent.tag}\nB  {found.candidate.tag}", style="bold")
    console.print(rows_told(found.report))
    console.print(f"answered differently: {found.disagreement:.2%} of the rows")
    for table in (_metrics(found), _slices(found), _latency(found), _gates(found)):
        if table.row_count:
            console.print(table)


def rows_told(report: Report) -> str:
    """Say which rows were compared."""
    facts = report.holdout
    if facts is None:
        return ""
    seen = facts.seen_by_incumbent
    told = "unknown how many" if seen is None else f"{seen:,}"
    return (
        f"{facts.compared:,} rows compared, of {facts.rows:,} that B was tested on "
        f"({told} of them seen by A)"
    )


def _metrics(found: Comparison) -> Table:
    table = Table("metric", "A", "B", "B - A, 95 % interval")
    for name, one in found.metrics.items():
        table.add_row(name, *_told(one))
    return table


def _slices(found: Comparison) -> Table:
    main = next(iter(found.metrics))
    table = Table("slice", "rows", "A", "B", f"{main}: B - A, 99.8 % interval")
    for name, groups in found.slices.items():
        for group, one in groups.items():
            if main in one.metrics:
                rows = f"{one.rows:,}"
                table.add_row(f"{name} {group}", rows, *_told(one.metrics[main]))
    return table


def _latency(found: Comparison) -> Table:
    table = Table("rows in a call", "A, ms", "B, ms")
    for rows, taken in found.candidate.latency_ms.items():
        before = found.incumbent.latency_ms[rows]
        table.add_row(rows, f"{before:.3f}", f"{taken:.3f}")
    return table


def _gates(found: Comparison) -> Table:
    table = Table("gate", "verdict", "why")
    for one in found.report.verdicts:
        verdict = "[green]passed[/]" if one.passed else "[red]refused[/]"
        table.add_row(one.gate, verdict, one.words.replace("[", r"\["))
    return table


def _told(one: Difference) -> tuple[str, str, str]:
    low, high = (figure(end, "+") for end in (one.low, one.high))
    change = f"{figure(one.difference, '+')}  {low} to {high}"
    return figure(one.incumbent), figure(one.candidate), change


def figure(value: float | None, sign: str = "") -> str:
    """Return *value* with four decimals; a dash where there is none."""
    return "-" if value is None else f"{value:{sign}.4f}"
