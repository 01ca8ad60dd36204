"""The run as tables: in the terminal, and as Markdown for the documentation."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.results import Case, Figure, Results, Spread
from benchmarks.servers import SERVERS
from benchmarks.targets import BUSY, EKIBEN, Verdict

TITLES = {server.name: server.title for server in SERVERS}
COLUMNS = (
    "server",
    "req/s",
    "p50 ms",
    "p99 ms",
    "failed",
    "Ekiben answers",
    "MiB",
)
PLAIN_WIDTH = 100
"""Columns of a table that goes into a file or a pipe."""


def title(case: Case) -> str:
    """Return a case in words."""
    rows = "1 row" if case.rows == 1 else f"{case.rows} rows"
    plural = "" if case.connections == 1 else "s"
    if case.share:
        return f"{case.use_case}, {rows}, open loop at {case.share} % of its capacity"
    return f"{case.use_case}, {rows}, {case.connections} connection{plural}"


def lines(results: Results, case: Case) -> Iterator[tuple[str, ...]]:
    """Return the table's lines of one case, one a server."""
    for server in results.servers:
        if results.of(server, case):
            yield line(results, server, case)


def line(results: Results, server: str, case: Case) -> tuple[str, ...]:
    """Return one server's figures under one case: medians over the repeats."""
    return (
        TITLES.get(server, server),
        _median(results, server, case, "req_s"),
        _median(results, server, case, "p50_ms"),
        _median(results, server, case, "p99_ms"),
        str(results.failures(server, case)),
        ""
        if server == EKIBEN or case.share
        else times(results.find_ratio(EKIBEN, server, case)),
        f"{results.memory_mib(server):,.0f}",
    )


def times(ratio: Spread | None) -> str:
    """Return a ratio with its least and greatest, such as `12.1x (11.8-12.6)`."""
    if ratio is None:
        return "-"
    return f"{ratio.median:.1f}x ({ratio.low:.1f}-{ratio.high:.1f})"


def _median(results: Results, server: str, case: Case, figure: Figure) -> str:
    found = results.find(server, case, figure)
    if found is None:
        return "-"
    # Three digits are all that a shared machine gives.
    return f"{found.median:.2f}" if found.median < 10 else f"{found.median:,.0f}"


def show(console: Console, results: Results, facts: str) -> None:
    """Print the table of all cases, each under its title."""
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    table = Table(box=SIMPLE, pad_edge=False, caption=facts)
    for number, name in enumerate(COLUMNS):
        table.add_column(name, justify="right" if number else "left")
    for case in results.cases:
        table.add_row(title(case), style="bold")
        for one in lines(results, case):
            table.add_row(*one)
        table.add_section()
    console.print(table)
    for text in notes(results):
        console.print(text, soft_wrap=True)


def notes(results: Results) -> Iterator[str]:
    """Say what the tables leave out."""
    yield from starts(results)
    yield from absences(results)
    if stolen := results.stolen():
        yield (
            f"Others took {100 * stolen.median:.0f} % of the processors' time in the median"
            f" measurement, {100 * stolen.high:.0f} % at most"
        )


def starts(results: Results) -> Iterator[str]:
    """Say of each server how long it took to be ready, and its worker's memory."""
    for server in results.servers:
        seconds, memory = results.start_seconds(server), results.worker_mib(server)
        if seconds and memory:
            yield (
                f"{TITLES.get(server, server)}: ready after {seconds.median:.1f} s"
                f" ({seconds.low:.1f}-{seconds.high:.1f}),"
                f" largest process {memory.median:.0f} MiB"
            )


def absences(results: Results) -> Iterator[str]:
    """Say which servers did not race, and why."""
    for name, why in results.absent:
        yield f"{TITLES.get(name, name)} did not race: {why}"


def show_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Print the targets that were missed or not measured, and how many were met."""
    for one in verdicts:
        if one.met is False:
            console.print(
                f"missed: {one.target} ({one.measured})", style="red", soft_wrap=True
            )
        elif one.met is None:
            console.print(f"not measured: {one.target}", style="dim", soft_wrap=True)
    met = sum(one.met is True for one in verdicts)
    console.print(f"{met} of {len(verdicts)} targets met")


def markdown(results: Results, facts: str) -> str:
    """Return the ratios, then a table per case as Markdown, and the facts of the machine."""
    parts = [*ratios(results), "<details><summary>Every load</summary>"]
    parts += [_markdown_table(results, case) for case in results.cases]
    parts.append("</details>")
    told = "\n".join(f"* {one}" for one in notes(results))
    return "\n\n".join([*parts, *([told] if told else []), facts]) + "\n"


def ratios(results: Results) -> Iterator[str]:
    """Return how often Ekiben answers where another answers once, use case beside use case."""
    busy = [one for one in results.cases if is_busy(one)]
    if not busy:
        return
    yield f"How many requests of one row Ekiben answers while the other answers one, at {BUSY} connections:"
    head = ("server", *(one.use_case for one in busy))
    rows = [head, ["---"] + ["---:"] * len(busy)]
    for server in results.servers:
        found = [results.find_ratio(EKIBEN, server, one) for one in busy]
        if server != EKIBEN and any(found):
            cells = (f"{one.median:.1f}x" if one else "-" for one in found)
            rows.append([TITLES.get(server, server), *cells])
    yield "\n".join("| " + " | ".join(row) + " |" for row in rows)


def is_busy(case: Case) -> bool:
    """Return whether it is one row a request, in a closed loop over 32 connections."""
    return (case.rows, case.connections, case.share) == (1, BUSY, 0)


def _markdown_table(results: Results, case: Case) -> str:
    rule = ["---"] + ["---:"] * (len(COLUMNS) - 1)
    rows = ["| " + " | ".join(row) + " |" for row in (COLUMNS, rule)]
    rows += ["| " + " | ".join(row) + " |" for row in lines(results, case)]
    return "\n".join([f"**{title(case)}**", "", *rows])
