"""Contract: what holds for every use case in the catalogue."""

from typing import Any, get_args

import numpy as np
import pytest

from ekiben.errors import UnknownUseCase
from ekiben.evaluation import METRICS
from ekiben.use_cases.catalog import USE_CASES, get_use_case
from ekiben.use_cases.use_case import UseCase

each_use_case = pytest.mark.parametrize(
    "use_case", USE_CASES, ids=[use_case.name for use_case in USE_CASES]
)


def certain(use_case: UseCase) -> Any:
    """One row of probabilities per class, certain of it."""
    return np.eye(len(use_case.classes))


DECISION = {"threshold": 0.5, "training_prior": 0.25, "real_prior": 0.25}


def test_a_name_gets_its_use_case() -> None:
    assert [get_use_case(one.name) for one in USE_CASES] == list(USE_CASES)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownUseCase, match="'tea'; there are: iris, turnover"):
        get_use_case("tea")


@each_use_case
def test_classes_are_in_the_order_of_scikit_learn(use_case: UseCase) -> None:
    assert list(use_case.classes) == sorted(use_case.classes)


@each_use_case
def test_metrics_are_known(use_case: UseCase) -> None:
    assert set(use_case.metrics) <= set(METRICS)


@each_use_case
def test_an_answer_has_the_fields_of_its_prediction(use_case: UseCase) -> None:
    answers = use_case.answer(certain(use_case), DECISION)

    for answer in answers:
        use_case.prediction.model_validate(
            answer | {"prediction_id": "an id", "model": "a tag"}, strict=True
        )


@each_use_case
def test_a_certain_model_is_answered_with_its_class(use_case: UseCase) -> None:
    answers = use_case.answer(certain(use_case), DECISION)

    assert [use_case.label_of(answer) for answer in answers] == list(use_case.classes)


@each_use_case
def test_stated_probabilities_are_those_of_the_answers(use_case: UseCase) -> None:
    scored = np.random.default_rng(1).dirichlet(np.ones(len(use_case.classes)), 9)
    decision = DECISION | {"real_prior": 0.01}

    stated = use_case.probabilities_of(scored, decision)
    answers = use_case.answer(scored, decision)

    assert np.allclose(stated.sum(axis=1), 1, atol=1e-12)
    for row, answer in zip(stated.tolist(), answers, strict=True):
        if "probability" in answer:
            assert answer["probability"] == row[1]
        else:
            assert [answer["probabilities"][c] for c in use_case.classes] == row


@each_use_case
def test_the_schema_digest_is_of_this_use_case_only(use_case: UseCase) -> None:
    others = {one.schema_sha256 for one in USE_CASES if one is not use_case}

    assert len(use_case.schema_sha256) == 64
    assert use_case.schema_sha256 == get_use_case(use_case.name).schema_sha256
    assert use_case.schema_sha256 not in others


@each_use_case
def test_the_table_has_the_columns_that_rows_need(use_case: UseCase) -> None:
    needed = {*use_case.row.model_fields, use_case.dataset.target}

    assert set(use_case.dataset.schema.columns) == needed


def test_topics_names_the_topics_of_its_schema() -> None:
    topic = get_use_case("topics").prediction.model_fields["topic"].annotation

    assert set(get_use_case("topics").classes) == set(get_args(topic))
