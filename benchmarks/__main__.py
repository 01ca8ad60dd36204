"""Race Ekiben against the baselines: python -m benchmarks --help."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from benchmarks import growth_plot, machine, plot, report
from benchmarks.load import INSTALL_WRK, client_name
from benchmarks.payloads import BODIES, table_rows
from benchmarks.race import Race
from benchmarks.results import Measurement, Results, Start
from benchmarks.servers import BY_NAME, RACED, SERVERS
from benchmarks.targets import verdicts
from ekiben.errors import EkibenError
from ekiben.registry.database import LedgerDatabase
from ekiben.settings import Settings
from ekiben.use_cases.catalog import USE_CASES

DEFAULT_JSON = Path("var/bench.json")


class NotPromoted(EkibenError):
    """There is nothing to race with: no version is in production."""

    def __init__(self, use_cases: Sequence[str]) -> None:
        names = " ".join(use_cases)
        super().__init__(
            f"no version is in production for: {names}; "
            f"run `python train.py {names} --promote`"
        )


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [one.name for one in USE_CASES]
    parser.add_argument("--use-case", nargs="+", choices=names, default=names)
    servers = [one.name for one in SERVERS]
    parser.add_argument("--server", nargs="+", choices=servers, default=list(RACED))
    parser.add_argument(
        "--connections", nargs="+", type=positive, default=[1, 8, 32, 128]
    )
    parser.add_argument(
        "--rows",
        nargs="+",
        type=positive,
        default=[10, 100, 1000],
        help="rows per request, over 4 connections; one row is always measured",
    )
    parser.add_argument(
        "--open",
        nargs="*",
        type=positive,
        default=[50, 80],
        help="percents of each server's capacity to offer in open loops",
    )
    parser.add_argument(
        "--seconds", type=positive, default=1, help="length of one measurement"
    )
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--json", type=Path, default=DEFAULT_JSON, metavar="FILE")
    parser.add_argument(
        "--from",
        dest="saved",
        type=Path,
        metavar="FILE",
        help="measure nothing: show what an earlier run wrote there",
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print the table as Markdown"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the busy servers there, as SVG"
    )
    parser.add_argument(
        "--growth", type=Path, metavar="FILE", help="draw what grows with load, as SVG"
    )
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 when a target is missed"
    )
    return parser.parse_args(given)


def positive(text: str) -> int:
    """Read a whole number above zero."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def measure(options: argparse.Namespace, console: Console) -> Iterator[Results]:
    """Run the race that *options* describe; give what is known after each server's turn."""
    settings = Settings.from_env()
    chosen = [one for one in USE_CASES if one.name in options.use_case]
    with LedgerDatabase.opened(settings.ledger_url) as database:
        promoted = database.ledger().use_cases()
    if missing := [one.name for one in chosen if one.name not in promoted]:
        raise NotPromoted(missing)
    wanted = [BY_NAME[name] for name in options.server]
    race = Race(
        servers=[one for one in wanted if not one.absent],
        rows={one.name: table_rows(one, settings, BODIES) for one in chosen},
        rows_per_request=options.rows,
        connections=options.connections,
        seconds=options.seconds,
        repeats=options.repeats,
        shares=options.open,
    )
    absent = tuple((one.name, one.absent) for one in wanted if one.absent)
    for found in watched(race, console):
        yield Results(
            tuple(one for one in found if isinstance(one, Measurement)),
            tuple(one for one in found if isinstance(one, Start)),
            absent,
        )


def watched(race: Race, console: Console) -> Iterator[list[Measurement | Start]]:
    """Run *race*, with progress: a bar on a terminal, else a line for every server's turn."""
    found: list[Measurement | Start] = []
    bar, text = BarColumn(), TextColumn("{task.description}")
    columns = (text, bar, TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=race.steps)

        def tell(what: str) -> None:
            progress.update(task, description=what)

        for turn in race.turns(tell):
            for one in turn:
                found.append(one)
                if isinstance(one, Measurement):
                    progress.advance(task)
            if not console.is_terminal:
                done = progress.tasks[task]
                console.print(f"{done.percentage:.0f} %, done: {done.description}")
            yield found


def save(path: Path, results: Results, facts: dict[str, str]) -> None:
    """Write the measurements and the *facts* they belong to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    measured = [one.to_json() for one in results.measurements]
    content = {
        "machine": facts,
        "absent": results.absent,
        "starts": [asdict(one) for one in results.starts],
        "measurements": measured,
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> tuple[Results, dict[str, str]]:
    """Read what `save` wrote."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    measured = (Measurement.of_json(one) for one in content["measurements"])
    starts = tuple(Start(**one) for one in content["starts"])
    absent = tuple((name, why) for name, why in content["absent"])
    return Results(tuple(measured), starts, absent), content["machine"]


def main() -> int:
    """Measure or read, show, check; return the exit code."""
    options = arguments()
    # Asked to end, leave no server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    notes = Console(stderr=True)
    if options.saved:
        results, facts = read(options.saved)
    else:
        if client_name() != "wrk":
            notes.print(INSTALL_WRK, soft_wrap=True)
        try:
            facts = machine.facts()
            for results in measure(options, notes):
                save(options.json, results, facts)
        except (EkibenError, httpx.HTTPError) as error:
            notes.print(str(error), markup=False, soft_wrap=True)
            return 1
    if options.plot:
        options.plot.write_text(plot.svg(results), encoding="utf-8")
    if options.growth:
        options.growth.write_text(growth_plot.svg(results), encoding="utf-8")
    judged = verdicts(results, tuple(options.use_case))
    if options.markdown:
        print(report.markdown(results, machine.one_line(facts)))
    else:
        console = Console()
        report.show(console, results, machine.one_line(facts))
        report.show_verdicts(console, judged)
    missed = any(one.met is False for one in judged)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
