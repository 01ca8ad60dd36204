"""Servers race in turns, over the same models."""

import pytest

from benchmarks.payloads import Fields
from benchmarks.race import AnswersDiffer, Race, compare, rotated
from benchmarks.results import Case
from benchmarks.servers import BY_NAME, SERVERS

EKIBEN, TUNED = SERVERS[0], SERVERS[2]


def test_another_server_begins_every_repeat() -> None:
    firsts = [rotated(SERVERS, repeat)[0] for repeat in range(len(SERVERS) + 1)]

    assert firsts == [*SERVERS, SERVERS[0]]


def test_a_rotation_leaves_nobody_out() -> None:
    assert len(rotated(SERVERS, 2)) == len(SERVERS)
    assert all(one in rotated(SERVERS, 2) for one in SERVERS)


def race() -> Race:
    return Race(
        servers=[BY_NAME["ekiben"], BY_NAME["in-process"]],
        rows={"iris": [], "spam": []},
        rows_per_request=[10],
        connections=[1, 32],
        seconds=1,
        repeats=3,
        shares=[50],
    )


def test_cases_of_a_use_case_stand_together() -> None:
    assert race().cases(BY_NAME["ekiben"]) == [
        Case("iris", 1, 1),
        Case("iris", 1, 32),
        Case("iris", 10, 4),
        Case("iris", 1, 128, 50),
        Case("spam", 1, 1),
        Case("spam", 1, 32),
        Case("spam", 10, 4),
        Case("spam", 1, 128, 50),
    ]
    assert race().steps == (8 + 4) * 3


def test_the_model_alone_is_measured_once_for_each_number_of_rows() -> None:
    assert race().cases(BY_NAME["in-process"]) == [
        Case("iris", 1, 1),
        Case("iris", 10, 4),
        Case("spam", 1, 1),
        Case("spam", 10, 4),
    ]


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
