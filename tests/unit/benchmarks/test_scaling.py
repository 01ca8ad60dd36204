"""The long log that a server is raced with: rows as a server would have written them."""

from datetime import UTC, datetime
from pathlib import Path

from benchmarks.scaling import add_version, fill_log
from ekiben.monitoring.records import EPOCH
from ekiben.monitoring.store import PredictionStore
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case

ROWS = 5000


def test_as_many_rows_as_asked_for_are_read_from_the_log_that_is_filled(
    tmp_path: Path,
) -> None:
    iris = get_use_case("iris")
    add_version(iris, tmp_path, 0, production=True)

    fill_log(tmp_path, iris, ROWS)

    with PredictionStore.opened(Settings(home=tmp_path).log_url) as log:
        read = log.read("iris", since=EPOCH, until=datetime.now(UTC))
        found = [logged for logged, _ in read]
    assert len(found) == len({one.prediction_id for one in found}) == ROWS
    assert {tuple(one.row.items()) for one in found} == {
        tuple(iris.examples[0].items())
    }
    assert log.find(found[7].prediction_id) == found[7]
