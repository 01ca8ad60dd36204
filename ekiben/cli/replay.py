"""`ekiben replay`: logged rows through their own version again, or through another."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from ekiben.cli.catalogue import names
from ekiben.cli.replay_told import (
    line_of,
    print_contrast,
    print_one,
    print_tallies,
    summary,
)
from ekiben.cli.setting import AsJson
from ekiben.cli.window import Pair, Since, with_bar
from ekiben.errors import NothingLogged, ReplayDiffers, UnknownUseCase
from ekiben.monitoring.against import contrast
from ekiben.monitoring.replay import Open, Tally, opening, replay, replay_one
from ekiben.monitoring.store import PredictionStore
from ekiben.predictor import load_predictor
from ekiben.registry import store as store_module
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.store import Store
from ekiben.releases import resolve
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case

What = Annotated[
    str | None,
    typer.Argument(
        metavar="PREDICTION_ID|USE_CASE",
        help="One prediction; or, with --since, a use case. None: all.",
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        metavar="VERSION",
        help="What this version would have answered: a tag, a version, or an "
        "unambiguous prefix.",
    ),
]
OfUseCase = Annotated[
    str | None, typer.Option(metavar="USE_CASE", help="The same as the argument.")
]


def replay_command(
    what: What = None,
    since: Since = None,
    against: Against = None,
    use_case: OfUseCase = None,
    as_json: AsJson = False,
) -> None:
    """Ask logged rows again: the answers are identical, or the cause is named.

    With --against, show what another version would have answered.
    """
    with _quiet_store():
        if since is None:
            _replay_one(_one_id(what, against, use_case), as_json=as_json)
            return
        name = _use_case_of(what, against, use_case)
        if against:
            assert name is not None
            _against(name, against, since, as_json=as_json)
        else:
            _replay_all(name, since, as_json=as_json)


@contextmanager
def _quiet_store() -> Iterator[None]:
    """Leave it to the one line of the command that libraries are others than at training."""
    log = logging.getLogger(store_module.__name__)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _one_id(what: str | None, against: str | None, use_case: str | None) -> str:
    if what is None or against or use_case:
        raise typer.BadParameter("give a PREDICTION_ID alone, or --since")
    return what


def _use_case_of(
    what: str | None, against: str | None, option: str | None
) -> str | None:
    tagged = against.partition(":")[0] if against and ":" in against else None
    given = {one for one in (what, option, tagged) if one}
    if len(given) > 1:
        raise typer.BadParameter(f"one use case, not {' and '.join(sorted(given))}")
    if against and not given:
        raise typer.BadParameter("--against needs a USE_CASE, or a tag with its name")
    try:
        return get_use_case(given.pop()).name if given else None
    except UnknownUseCase as error:
        raise typer.BadParameter(str(error)) from None


def _replay_one(prediction_id: str, *, as_json: bool) -> None:
    settings = Settings.from_env()
    with PredictionStore.opened(settings.log_url) as log:
        record = log.find(prediction_id)
    found = replay_one(record, _opening(settings))
    print_one(found, as_json=as_json)
    if found.verdict != "identical":
        raise ReplayDiffers(line_of(found))


def _replay_all(use_case: str | None, since: datetime, *, as_json: bool) -> None:
    settings = Settings.from_env()
    opened = _opening(settings)
    tallies: dict[str, Tally] = {}
    with PredictionStore.opened(settings.log_url) as log:
        for name in names(use_case):
            records = (record for record, _ in _read(log, name, since))
            for one in replay(records, opened):
                tallies.setdefault(name, Tally()).add(one)
    if not tallies:
        raise NothingLogged(use_case or "any use case", since)
    print_tallies(tallies, as_json=as_json)
    if any(one.faults for one in tallies.values()):
        raise ReplayDiffers(summary(tallies))


def _against(use_case: str, version: str, since: datetime, *, as_json: bool) -> None:
    settings = Settings.from_env()
    store = Store.at(settings.home)
    tag = resolve(use_case, version, store.entries(use_case))
    _, evidence = store.read(tag)
    predictor = load_predictor(store, get_use_case(use_case), tag)
    with PredictionStore.opened(settings.log_url) as log:
        found = contrast(_read(log, use_case, since), predictor, evidence)
    if not found.all.rows and not found.left_out.total():
        raise NothingLogged(use_case, since)
    print_contrast(found, as_json=as_json)


def _read(log: PredictionStore, use_case: str, since: datetime) -> Iterator[Pair]:
    until = datetime.now(UTC)
    pairs = log.read(use_case, since=since, until=until)
    return with_bar(pairs, f"replaying {use_case}", since, until)


def _opening(settings: Settings) -> Open:
    with LedgerDatabase.opened(settings.ledger_url) as database:
        events = database.ledger().events
    digests = {one.to_tag: one.digest for one in events if one.action != "reject"}
    return opening(Store.at(settings.home), digests, settings.probability_decimals)
