"""C-33: what answers tell of a model's probabilities is what the setting says."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ekiben.errors import UnknownPrediction
from ekiben.monitoring.store import PredictionStore
from ekiben.predictor import load_predictor
from ekiben.registry.store import Store
from ekiben.settings import Settings
from ekiben.use_cases.catalog import USE_CASES, get_use_case
from ekiben.use_cases.rounding import rounded
from tests.faults.iris_home import until
from tests.servers import Server, serve

pytestmark = pytest.mark.server

DECIMALS = 2
STAMPED = ("prediction_id", "model")


@pytest.fixture(scope="module", params=["true", "false"], ids=["fast", "bentoml"])
def rounding(
    request: pytest.FixtureRequest, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("rounding")
    for one in ("models", "ekiben"):
        (path / one).symlink_to(home / one)
    settings = {
        "EKIBEN_PROBABILITY_DECIMALS": str(DECIMALS),
        "EKIBEN_FAST_ROUTE": request.param,
    }
    with serve(path, extra=settings) as running:
        yield running


def answers_of(server: Server, name: str) -> list[dict[str, Any]]:
    with server.client() as client:
        rows = {"rows": get_use_case(name).examples}
        found: list[dict[str, Any]] = client.post(
            f"/v1/{name}/predict", json=rows
        ).json()
    return found


def in_full(home: Path, tag: str) -> list[dict[str, Any]]:
    """Return what the version says of the examples itself."""
    use_case = get_use_case(tag.partition(":")[0])
    predictor = load_predictor(Store.at(home), use_case, tag)
    return predictor.predict_raw(use_case.examples)


def holds(log: PredictionStore, answers: list[dict[str, Any]]) -> bool:
    """Whether the server has written all of *answers* by now."""
    try:
        return all(log.find(one["prediction_id"]) for one in answers)
    except UnknownPrediction:
        return False


def stated(answer: dict[str, Any]) -> list[float]:
    if "probability" in answer:
        return [answer["probability"]]
    return list(answer["probabilities"].values())


@pytest.mark.parametrize("name", [one.name for one in USE_CASES])
def test_c33_probabilities_are_rounded_in_answers_and_log(
    rounding: Server, home: Path, name: str
) -> None:
    answers = answers_of(rounding, name)
    exact = in_full(home, answers[0]["model"])

    told = [{k: v for k, v in one.items() if k not in STAMPED} for one in answers]
    assert told == [rounded(one, DECIMALS) for one in exact]
    for one, whole in zip(told, exact, strict=True):
        assert [round(p, DECIMALS) for p in stated(one)] == stated(one)
        assert max(abs(a - b) for a, b in zip(stated(one), stated(whole), strict=True)) <= 0.5 * 10**-DECIMALS + 1e-12  # fmt: skip
    with PredictionStore.opened(Settings(home=home).log_url) as log:
        until(lambda: holds(log, answers), 30)
        kept = [log.find(one["prediction_id"]).answer for one in answers]
    assert kept == told


def test_c33_logarithms_tell_no_more_than_the_probabilities(rounding: Server) -> None:
    for one in answers_of(rounding, "iris"):
        for name, p in one["probabilities"].items():
            assert one["log_probabilities"][name] == math.log(max(p, 1e-15))


def test_c33_without_the_setting_every_digit_is_told(
    server: Server, home: Path
) -> None:
    answers = answers_of(server, "topics")
    exact = in_full(home, answers[0]["model"])

    assert [stated(one) for one in answers] == [stated(one) for one in exact]
    # So the test of the rounding compares with numbers that have digits to lose.
    assert all(round(p, 6) != p for one in answers for p in stated(one))
