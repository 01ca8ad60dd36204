"""A thousand logged predictions of each use case are answered as they were, after a rollback too."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import cycle, islice
from typing import Any

import pytest

from ekiben.monitoring.replay import Tally, opening, replay
from ekiben.monitoring.store import PredictionStore
from ekiben.predictor import load_predictor
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import Grounds
from ekiben.registry.manifest import Manifest
from ekiben.registry.store import Store
from ekiben.training import fit, libraries
from ekiben.use_cases.catalog import USE_CASES, get_use_case
from tests.criteria_plugin import Figure
from tests.logbook import answered, logged, write
from tests.models import Trainings
from tests.servers import Server
from tests.tiny import NOON, card, productions, promote_in

ROWS = 1000
NAMES = [one.name for one in USE_CASES]
Versions = Callable[[str], tuple[Manifest, Manifest]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.at(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def versions(store: Store, trainings: Trainings) -> Versions:
    """Two versions of a use case, of other seeds, registered when first asked for."""

    @cache
    def two(name: str) -> tuple[Manifest, Manifest]:
        use_case, table = get_use_case(name), trainings.table(name)
        again = fit(use_case, table, clock=lambda: 0.0, seed=1)
        first, second = (
            store.register(
                name,
                one.estimator,
                make_card=lambda tag, one=one: card(  # type: ignore[misc]
                    tag, decision=one.predictor.decision, libraries=libraries()
                ),
                golden=one.golden,
            )
            for one in (trainings.trained(name), again)
        )
        return first, second

    return two


def rows_of(trainings: Trainings, name: str, count: int) -> list[dict[str, Any]]:
    """Return *count* rows from all over the table, again and again where it is short."""
    frame = trainings.table(name).frame
    rows = get_use_case(name).encoding.rows_of(frame.sample(frac=1, random_state=0))
    return list(islice(cycle(rows), count))


def tallied(url: str, use_case: str, store: Store, log_url: str | None = None) -> Tally:
    """Replay all of a use case."""
    with LedgerDatabase.opened(url) as database:
        digests = {one.to_tag: one.digest for one in database.verified().events}
    tally = Tally()
    with PredictionStore.opened(log_url or url) as log:
        pairs = log.read(use_case, since=NOON, until=datetime.max.replace(tzinfo=UTC))
        for one in replay((record for record, _ in pairs), opening(store, digests)):
            tally.add(one)
    return tally


def roll_back(database: LedgerDatabase, use_case: str) -> None:
    database.append(
        use_case,
        lambda ledger: ledger.rollback(
            use_case,
            Grounds(actor="a test"),
            seen=ledger.last(use_case),
            at=NOON + timedelta(hours=1),
        ),
    )


@pytest.mark.models
@pytest.mark.parametrize("name", NAMES)
def test_a_thousand_predictions_are_identical_before_and_after_a_rollback(
    name: str,
    url: str,
    store: Store,
    versions: Versions,
    trainings: Trainings,
    figure: Figure,
) -> None:
    rows = rows_of(trainings, name, ROWS)
    with LedgerDatabase.opened(url) as ledger, PredictionStore.opened(url) as log:
        for version, part in zip(versions(name), (rows[::2], rows[1::2]), strict=True):
            promote_in(ledger, version.card.tag, version.digest)
            predictor = load_predictor(store, get_use_case(name), version.card.tag)
            write(log, answered(predictor, part, timedelta(hours=1)))

        before = tallied(url, name, store)
        roll_back(ledger, name)
        after = tallied(url, name, store)

    assert (before.identical, before.not_whole, dict(before.faults)) == (ROWS, 0, {})
    assert (after.identical, after.not_whole, dict(after.faults)) == (ROWS, 0, {})
    figure("identical", after.identical)
    figure("to the last bit", after.exact)


@pytest.mark.models
def test_one_altered_answer_of_a_thousand_is_found(
    url: str, store: Store, versions: Versions, trainings: Trainings
) -> None:
    version, _ = versions("spam")
    predictor = load_predictor(store, get_use_case("spam"), version.card.tag)
    records = answered(predictor, rows_of(trainings, "spam", ROWS), timedelta(hours=1))
    altered = records[700].answer["probability"] + 2e-9
    answer = records[700].answer | {"probability": altered}
    records[700] = replace(records[700], answer=answer)
    with PredictionStore.opened(url) as log:
        write(log, records)

    found = tallied(url, "spam", store)

    assert (found.identical, dict(found.faults)) == (ROWS - 1, {"answer": 1})
    (example,) = found.examples
    assert example.record.prediction_id == records[700].prediction_id
    assert [one.field for one in example.differences] == ["probability"]


@pytest.mark.server
@pytest.mark.parametrize("name", NAMES)
def test_what_a_server_answered_is_answered_again(
    name: str, server: Server, home: Any, trainings: Trainings, tmp_path: Any
) -> None:
    rows = rows_of(trainings, name, ROWS)
    url = f"sqlite:///{tmp_path / 'log.db'}"
    alias = productions(home)[name]
    records = []
    with server.client() as client:
        for start, end in ((0, 1), (1, 34), (34, 300), (300, ROWS)):
            asked = rows[start:end]
            response = client.post(f"/v1/{name}/predict", json={"rows": asked})
            assert response.status_code == 200, response.text
            for row, fields in zip(asked, response.json(), strict=True):
                identity, tag = fields.pop("prediction_id"), fields.pop("model")
                records.append(
                    logged(tag, row, fields, datetime.now(UTC), prediction_id=identity)
                )
    with PredictionStore.opened(url) as log:
        write(log, records)

    ledger = f"sqlite:///{home / 'ekiben' / 'ledger.db'}"
    found = tallied(ledger, name, Store.at(home), url)

    assert {one.tag for one in records} == {alias.tag}
    assert (found.identical, dict(found.faults)) == (ROWS, {})
