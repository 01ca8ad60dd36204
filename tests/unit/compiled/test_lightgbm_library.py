"""LightGBM answers through C as through Python."""

import gc
from typing import Any

import lightgbm
import numpy as np
import pytest

from ekiben.compiled.lightgbm_library import Booster

ROWS = np.random.default_rng(0).normal(size=(300, 4))


def booster() -> lightgbm.Booster:
    labels = (ROWS.sum(axis=1) > 0).astype(int)
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1}
    return lightgbm.train(settings, lightgbm.Dataset(ROWS, labels), 20)


def scorer(asked: lightgbm.Booster) -> Any:
    return Booster(asked.model_to_string()).scorer()


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(ROWS, id="all"),
        pytest.param(ROWS[:1], id="one"),
        pytest.param(ROWS[::-2], id="not-contiguous"),
        pytest.param(np.asfortranarray(ROWS), id="column-major"),
        pytest.param(ROWS.astype(np.float32), id="single-precision"),
    ],
)
def test_the_answer_is_that_of_predict(rows: np.ndarray) -> None:
    asked = booster()

    assert np.array_equal(scorer(asked)(rows), asked.predict(rows.astype(np.float64)))


def test_the_booster_lives_as_long_as_its_scorer() -> None:
    score = scorer(booster())
    expected = score(ROWS)
    gc.collect()

    assert np.array_equal(score(ROWS), expected)


def test_too_few_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="4 columns are needed, not 3"):
        scorer(booster())(ROWS[:, :3])
