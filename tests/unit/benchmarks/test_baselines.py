"""The baselines ask the same models the same questions as Ekiben."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from benchmarks.baselines.frames import features
from benchmarks.baselines.tuned import in_one_thread
from benchmarks.baselines.versions import Promoted, check
from ekiben.schemas.base import Row
from ekiben.schemas.model_card import Golden
from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.iris import IRIS
from ekiben.use_cases.use_case import Fields, UseCase

PROMOTED = Promoted(
    IRIS,
    None,
    {},
    (Golden(row=IRIS.examples[0], prediction={"p": 0.25, "species": "setosa"}),),
)


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda one: one.name)
def test_a_frame_holds_what_the_encoding_makes(use_case: UseCase) -> None:
    rows = [use_case.row.model_validate(row) for row in use_case.examples]

    framed, encoded = features(use_case, rows), use_case.encoding.from_rows(rows)

    assert np.asarray(framed).tolist() == np.asarray(encoded).tolist()


def test_every_estimator_inside_gets_one_thread() -> None:
    pipeline = make_pipeline(MinMaxScaler(), RandomForestClassifier(n_jobs=2))

    in_one_thread(pipeline)

    assert pipeline[-1].n_jobs == 1


def answering(**fields: Any) -> Any:
    def answer(_: Promoted, rows: Sequence[Row]) -> list[Fields]:
        return [fields for _ in rows]

    return answer


def test_a_baseline_may_state_more_than_ekiben() -> None:
    check(PROMOTED, answering(p=0.25, species="setosa", predicted="setosa"))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"p": 0.26, "species": "setosa"}, id="number"),
        pytest.param({"p": 0.25, "species": "virginica"}, id="label"),
    ],
)
def test_a_baseline_that_answers_otherwise_does_not_start(fields: Fields) -> None:
    with pytest.raises(SystemExit, match="iris: golden row 0"):
        check(PROMOTED, answering(**fields))
