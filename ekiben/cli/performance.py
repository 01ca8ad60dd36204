"""`ekiben performance`: how right versions were in live traffic, beside their test rows."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ekiben.cli.catalogue import UseCaseName
from ekiben.cli.setting import AsJson
from ekiben.cli.window import Since
from ekiben.errors import EkibenError
from ekiben.monitoring.feedback_store import FeedbackStore
from ekiben.monitoring.performance import Bounds, measure, read_matured
from ekiben.registry.store import Store
from ekiben.schemas.live import Cohort, LiveQuality, LiveVersion
from ekiben.schemas.model_card import Evaluation, Metric
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case

BOUNDS = Bounds(predictions=1_000_000, labelled=20_000)
LOOK: Any = {"title_justify": "left", "box": SIMPLE_HEAD}
WAIT_SECONDS = 60.0
"""A million predictions take longer to count than a server would wait."""


def performance(
    use_case: UseCaseName, since: Since = None, as_json: AsJson = False
) -> None:
    """Compare live metrics of every version, from the last 30 days or --since, with those on its test rows."""
    settings = Settings.from_env()
    now = datetime.now(UTC)
    console = Console(stderr=True)
    with console.status("reading the prediction log"):
        quality = _measure(
            use_case, since or now - timedelta(days=settings.live_days), now, settings
        )
    store = Store.at(settings.home)
    offline = {one.model: _offline(store, one.model) for one in quality.versions}
    if as_json:
        facts = quality.model_dump(mode="json")
        for version in facts["versions"]:
            card = offline[version["model"]]
            version["offline"] = card and card.model_dump(mode="json")
        typer.echo(json.dumps(facts, indent=2))
        return
    out = Console()
    out.print(_told(quality), markup=False, highlight=False, soft_wrap=True)
    for one in quality.versions:
        _print_version(out, one, offline[one.model])


def _measure(
    name: str, since: datetime, now: datetime, settings: Settings
) -> LiveQuality:
    use_case = get_use_case(name)
    log = FeedbackStore.open(settings.log_url, wait=WAIT_SECONDS)
    with closing(log):
        matured = read_matured(
            log, name, since=since, now=now, maturity=settings.maturity, bounds=BOUNDS
        )
    return measure(use_case, matured, now)


def _offline(store: Store, tag: str) -> Evaluation | None:
    """Return what the version's card says, None: the version is gone."""
    try:
        return store.manifest(tag).card.evaluation
    except EkibenError:
        return None


def _told(quality: LiveQuality) -> str:
    cohort = quality.cohort
    if not quality.versions:
        why = "has feedback" if cohort.label_delay is None else "is old enough to count"
        return f"{quality.use_case}: no prediction since {_time(cohort.since)} {why}"
    return (
        f"{quality.use_case}: predictions from {_time(cohort.since)} to "
        f"{_time(cohort.until)}\n{_waiting(cohort)}"
    )


def _waiting(cohort: Cohort) -> str:
    delay = cohort.label_delay
    came = (
        f"labels came after {_span(delay.median_seconds)} (median), "
        f"{_span(delay.p90_seconds)} (nine of ten)"
        if delay
        else "no label came"
    )
    cut = "" if cohort.complete else "; only the newest predictions were looked at"
    age = _span(cohort.maturity_seconds or 0.0)
    return f"{came}; a prediction counts from {age} on ({cohort.maturity}){cut}"


def _print_version(
    out: Console, version: LiveVersion, offline: Evaluation | None
) -> None:
    known = f"{version.with_feedback:,} of {version.predictions:,}"
    title = (
        f"{version.model}: {known} predictions have feedback ({version.coverage:.1%})"
    )
    live = version.evaluation
    if live is None:
        out.print(f"{title}\n", markup=False, highlight=False, soft_wrap=True)
        return
    seen = f"{offline.rows:,} test rows" if offline else "none: the version is gone"
    title = f"{title}\nlive: the newest {live.rows:,} of them; offline: {seen}"
    table = Table("metric", "live", "offline", title=title, **LOOK)
    for name, metric in live.overall.items():
        before = offline.overall.get(name) if offline else None
        table.add_row(name, _figure(metric), _figure(before))
    out.print(table)
    _print_slices(out, next(iter(live.overall), ""), live, offline)


def _print_slices(
    out: Console, main: str, live: Evaluation, offline: Evaluation | None
) -> None:
    for kind, groups in live.per_slice.items():
        table = Table(kind, "rows", f"{main}, live", "offline", **LOOK)
        for group, part in groups.items():
            known = offline.per_slice.get(kind, {}).get(group) if offline else None
            before = known.metrics.get(main) if known else None
            now = _figure(part.metrics.get(main))
            table.add_row(group, f"{part.rows:,}", now, _figure(before))
        out.print(table)


def _figure(metric: Metric | None) -> Text:
    if metric is None:
        return Text("not measured")
    return Text(f"{metric.value:.4f} [{metric.low:.4f}, {metric.high:.4f}]")


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _span(seconds: float) -> str:
    """Say *seconds* in the largest unit of which there are two."""
    for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {name}"
    return f"{seconds:.1f} seconds"
