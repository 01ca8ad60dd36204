"""The run as tables: in the terminal, and as Markdown for the documentation."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.results import Case, Figure, Results, Spread
from benchmarks.servers import SERVERS
from benchmarks.targets import EKIBEN, Verdict

TITLES = {server.name: server.title for server in SERVERS}
COLUMNS = (
    "use case",
    "rows",
    "connections",
    "server",
    "req/s",
    "p50 ms",
    "p99 ms",
    "failed",
    "Ekiben answers",
    "MiB",
)
WORDS = 4
"""How many of the columns hold words, not figures to compare."""


def lines(results: Results) -> Iterator[tuple[str, ...]]:
    """Return the table's lines, a case's servers together."""
    for case in results.cases:
        for server in results.servers:
            if results.of(server, case):
                yield line(results, server, case)


def line(results: Results, server: str, case: Case) -> tuple[str, ...]:
    """Return one server's figures under one case: medians over the repeats."""
    return (
        case.use_case,
        str(case.rows),
        str(case.connections),
        TITLES.get(server, server),
        _median(results, server, case, "req_s", "{:,.0f}"),
        _median(results, server, case, "p50_ms", "{:.2f}"),
        _median(results, server, case, "p99_ms", "{:.2f}"),
        str(results.failures(server, case)),
        "" if server == EKIBEN else times(results.find_ratio(EKIBEN, server, case)),
        f"{results.memory_mib(server):,.0f}",
    )


def times(ratio: Spread | None) -> str:
    """Return a ratio with its least and greatest, such as `12.1x (11.8-12.6)`."""
    if ratio is None:
        return "-"
    return f"{ratio.median:.1f}x ({ratio.low:.1f}-{ratio.high:.1f})"


def _median(
    results: Results, server: str, case: Case, figure: Figure, pattern: str
) -> str:
    found = results.find(server, case, figure)
    return "-" if found is None else pattern.format(found.median)


def show(console: Console, results: Results, facts: str) -> None:
    """Print the table of all cases; a line under each case."""
    table = Table(title="Medians over the repeats", caption=facts)
    for number, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if number < WORDS else "right")
    before: tuple[str, ...] = ()
    for one in lines(results):
        if before and one[:3] != before[:3]:
            table.add_section()
        table.add_row(*one)
        before = one
    console.print(table)


def show_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Print the targets that were missed or not measured, and how many were met."""
    for one in verdicts:
        if one.met is False:
            console.print(f"missed: {one.target} ({one.measured})", style="red")
        elif one.met is None:
            console.print(f"not measured: {one.target}", style="dim")
    met = sum(one.met is True for one in verdicts)
    console.print(f"{met} of {len(verdicts)} targets met")


def markdown(results: Results, facts: str) -> str:
    """Return the table of all cases as Markdown, the facts of the machine under it."""
    rule = ["---"] * WORDS + ["---:"] * (len(COLUMNS) - WORDS)
    rows = [COLUMNS, rule, *lines(results)]
    return "\n".join(["| " + " | ".join(row) + " |" for row in rows] + ["", facts, ""])
