"""The golden check: every number counts, a refusal may pass, a wrong answer does not."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ekiben.errors import ReplicaFailed
from ekiben.packaging.balancer import Answer
from ekiben.packaging.golden_check import GoldenCheck, why_not_ready
from ekiben.registry.store import Store
from ekiben.schemas.model_card import Golden
from tests.tiny import GOLDEN, register

RIGHT = {**GOLDEN[0].prediction, "model": "iris:v1", "prediction_id": "x"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = Store.at(tmp_path_factory.mktemp("store"))
    for version in ("v1", "v2"):
        register(made, version=version)
    return made


class Replica:
    """Answers one thing after another, and keeps what it was asked; the last for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, Any, Mapping[str, str]]] = []

    def __call__(
        self, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        self.asked.append((path, json.loads(body or b"null"), headers))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def right(**changed: Any) -> Answer:
    return Answer(200, json.dumps([RIGHT | changed]).encode())


def test_the_golden_rows_are_asked_for_with_the_headers_given(store: Store) -> None:
    replica = Replica(right())

    found = GoldenCheck(store, {"iris": "iris:v1"}, {"Authorization": "k"}).run(replica)

    assert found == {"iris": "iris:v1"}
    rows = {"rows": [one.row for one in GOLDEN]}
    assert replica.asked == [("/v1/iris/predict", rows, {"Authorization": "k"})]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (right(p=0.1000001), "answers golden row 0 wrong"),
        (right(label="e"), "answers golden row 0 wrong"),
        (right(extra=1), "answers golden row 0 wrong"),
        (Answer(200, json.dumps([RIGHT, RIGHT]).encode()), "answered 2 of 1 rows"),
        (right(model="iris:v3"), "nobody knows what to expect"),
        (Answer(422, b"<html>"), "with 422"),
    ],
)
def test_anything_else_than_was_registered_is_a_fault(
    store: Store, answer: Answer, reason: str
) -> None:
    with pytest.raises(ReplicaFailed, match=reason):
        GoldenCheck(store, {"iris": "iris:v1"}).run(Replica(answer))


def test_probabilities_are_compared_as_replicas_round_them(
    tmp_path: Path,
) -> None:
    exact = {"probability": 0.123456, "threshold": 0.5}
    register(
        store := Store.at(tmp_path),
        version="v1",
        golden=[Golden(row={"length": 1.5}, prediction=exact)],
    )
    answer = exact | {"probability": 0.123, "model": "iris:v1", "prediction_id": "x"}
    replica = Replica(Answer(200, json.dumps([answer]).encode()))

    GoldenCheck(store, {"iris": "iris:v1"}, decimals=3).run(replica)
    for decimals in (None, 2):
        with pytest.raises(ReplicaFailed, match="golden row 0 wrong"):
            GoldenCheck(store, {"iris": "iris:v1"}, decimals=decimals).run(replica)


def test_another_version_that_answers_is_held_to_its_own_rows(store: Store) -> None:
    other = right(model="iris:v2")

    check = GoldenCheck(store, {"iris": "iris:v1"})

    assert check.run(Replica(other)) == {"iris": "iris:v2"}
    with pytest.raises(ReplicaFailed, match="iris:v2 answers golden row 0 wrong"):
        check.run(Replica(other, right(model="iris:v2", p=0.5)))


def test_versions_that_take_turns_are_a_fault(store: Store) -> None:
    replica = Replica(right(model="iris:v2"), right())

    with pytest.raises(ReplicaFailed, match="is answered by iris:v1"):
        GoldenCheck(store, {"iris": "iris:v1"}).run(replica)


def test_a_refusal_may_pass_but_not_for_ever(store: Store) -> None:
    busy = Answer(503, b'{"code": "overloaded", "detail": "Too many rows."}')

    check = GoldenCheck(store, {"iris": "iris:v1"}, patience=5)
    assert check.run(Replica(busy, Answer(0, b""), right())) == {"iris": "iris:v1"}

    with pytest.raises(ReplicaFailed, match="with 503 overloaded: Too many rows"):
        GoldenCheck(store, {"iris": "iris:v1"}, patience=0).run(Replica(busy))


def test_why_a_server_is_not_ready_is_its_own_word() -> None:
    assert why_not_ready(Answer(200, b"")) is None
    assert why_not_ready(Answer(0, b"")) == "no answer"
    assert why_not_ready(Answer(502, b"<html>")) == "502"


def test_a_missing_store_is_told(tmp_path: Path) -> None:
    check = GoldenCheck(Store.at(tmp_path), {"iris": "iris:v1"})

    with pytest.raises(ReplicaFailed, match="nobody knows what to expect"):
        check.run(Replica(right()))
