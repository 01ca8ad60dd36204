"""Servers race in turns, over the same models."""

import pytest

from benchmarks.race import AnswersDiffer, Fields, Race, compare, rotated
from benchmarks.results import Case
from benchmarks.servers import SERVERS

EKIBEN, TUNED = SERVERS[0], SERVERS[2]


def test_another_server_begins_every_repeat() -> None:
    firsts = [rotated(SERVERS, repeat)[0] for repeat in range(len(SERVERS) + 1)]

    assert firsts == [*SERVERS, SERVERS[0]]


def test_a_rotation_leaves_nobody_out() -> None:
    assert len(rotated(SERVERS, 2)) == len(SERVERS)
    assert all(one in rotated(SERVERS, 2) for one in SERVERS)


def test_cases_of_a_use_case_stand_together() -> None:
    race = Race(
        servers=SERVERS,
        rows={"iris": [], "spam": []},
        rows_per_request=[1],
        connections=[1, 32],
        seconds=1,
        repeats=3,
    )

    assert race.cases == [
        Case("iris", 1, 1),
        Case("iris", 1, 32),
        Case("spam", 1, 1),
        Case("spam", 1, 32),
    ]
    assert race.steps == 4 * len(SERVERS) * 3


def test_ids_and_fields_of_one_server_alone_may_differ() -> None:
    answers: dict[str, list[Fields]] = {}
    ours = [{"prediction_id": "1", "model": "iris:a", "probability": 0.25}]

    compare(EKIBEN, "iris", ours, answers)
    compare(TUNED, "iris", [{"probability": 0.25 + 1e-12}], answers)

    assert answers == {"iris": ours}


@pytest.mark.parametrize(
    "answered",
    [
        pytest.param([{"probability": 0.26}], id="number"),
        pytest.param([{"probability": 0.25, "model": "iris:b"}], id="version"),
    ],
)
def test_servers_that_disagree_do_not_race(answered: list[Fields]) -> None:
    answers = {"iris": [{"model": "iris:a", "probability": 0.25}]}

    with pytest.raises(AnswersDiffer, match="row 0 of iris"):
        compare(TUNED, "iris", answered, answers)
