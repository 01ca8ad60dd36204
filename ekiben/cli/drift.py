"""`ekiben drift`: whether production is still asked what it was made for."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ekiben.cli.catalogue import UseCaseName
from ekiben.cli.drift_page import chance, render
from ekiben.cli.pages import Html, write_page
from ekiben.cli.setting import AsJson
from ekiben.cli.window import Since
from ekiben.errors import Drifted, NoProduction
from ekiben.monitoring.drift import USUAL, Question, measure
from ekiben.monitoring.store import PredictionStore
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.store import Store
from ekiben.schemas.drift import Drift, PartDrift, SignalDrift
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case

STYLES = {"drifted": "bold red", "watch": "yellow", "none": "green"}

FailOnDrift = Annotated[
    bool, typer.Option("--fail-on-drift", help="Exit 1 when it has drifted.")
]


def drift(
    use_case: UseCaseName,
    since: Since = None,
    html: Html = None,
    fail_on_drift: FailOnDrift = False,
    as_json: AsJson = False,
) -> None:
    """Compare what production was asked, in the last 7 days or --since, with the rows it was made from.

    The exit code is 0 whatever is found, unless --fail-on-drift is given.
    """
    now = datetime.now(UTC)
    with Console(stderr=True).status("comparing"):
        found = _measured(use_case, since or now - USUAL, now, Settings.from_env())
    if html:
        write_page(html, render(found))
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print(found, Console())
    if fail_on_drift and found.verdict == "drifted":
        raise Drifted(use_case, found.words)


def _measured(
    use_case: str, since: datetime, until: datetime, settings: Settings
) -> Drift:
    with LedgerDatabase.opened(settings.ledger_url) as database:
        production = database.ledger().production(use_case)
    if production is None:
        raise NoProduction(use_case)
    question = Question(get_use_case(use_case), production.tag, since, until)
    with PredictionStore.opened(settings.log_url) as log:
        return measure(question, store=Store.at(settings.home), log=log)


def _print(found: Drift, console: Console) -> None:
    style = STYLES.get(found.verdict, "yellow")
    console.print(Text(f"{found.use_case}: {found.verdict}", style=f"{style} bold"))
    console.print(Text(found.words), soft_wrap=True)
    if not found.fields:
        return
    since = f"{found.since:%Y-%m-%d %H:%M} UTC"
    rows = f"{found.rows_compared:,} of {found.rows_answered:,} rows since {since}"
    words = f"{found.tag}: {rows}, against {found.reference_rows:,} at training"
    console.print(Text(words, style="dim"), soft_wrap=True)
    console.print(_table(found))
    for gap in found.not_computed:
        console.print(Text(f"not computed: {gap}", style="yellow"), soft_wrap=True)


def _table(found: Drift) -> Table:
    table = Table("what", "then -> now", "PSI", "p", "verdict", box=SIMPLE_HEAD)
    for column in (*table.columns[:1], *table.columns[2:]):
        column.no_wrap = True
    for part, one in _computed(found):
        table.add_row(
            Text(f"{part.name}, {one.signal}"),
            Text(one.words),
            f"{one.psi:.3f}",
            chance(one.corrected_p),
            Text(one.verdict, style=STYLES.get(one.verdict, "")),
        )
    return table


def _computed(found: Drift) -> Iterator[tuple[PartDrift, SignalDrift]]:
    """Yield every signal that was compared, with the part it is of."""
    last = [found.prediction] if found.prediction else []
    for part in (*found.fields, *last):
        yield from ((part, one) for one in part.signals if one.psi is not None)
