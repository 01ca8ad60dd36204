"""What a version keeps of its rows, and that it is read back as it was."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ekiben.datasets import load
from ekiben.monitoring import reference
from ekiben.monitoring.fields import UNKNOWN_WORDS
from ekiben.monitoring.reference import (
    REFERENCE,
    Counts,
    NoReference,
    Numbers,
    Reference,
    make_reference,
    read_reference,
    render_reference,
    typical,
)
from ekiben.predictor import Predictor
from ekiben.use_cases.fraud import FRAUD
from ekiben.use_cases.iris import IRIS
from ekiben.use_cases.spam import SPAM
from ekiben.use_cases.use_case import Floats, UseCase

RNG = 0
TEXTS = ["Call now", "call me", "see you", "win a prize", "hello there", "wohin denn"]


def predictor(use_case: UseCase, first: float = 0.8) -> Predictor:
    """Answer every row alike."""
    others = (1 - first) / (len(use_case.classes) - 1)
    chances = [first, *[others] * (len(use_case.classes) - 1)]

    def score(encoded: object) -> Floats:
        rows = len(encoded)  # type: ignore[arg-type]
        return np.tile(np.array(chances), (rows, 1))

    return Predictor(use_case, score, {"threshold": 0.5}, tag="")


def made(use_case: UseCase, frame: pd.DataFrame, unseen: list[int]) -> Reference:
    rng = np.random.default_rng(RNG)
    return make_reference(use_case, frame, np.array(unseen), predictor(use_case), rng)


@pytest.fixture
def messages() -> pd.DataFrame:
    return pd.DataFrame({"label": ["ham", "spam"] * 3, "text": TEXTS})


@pytest.fixture
def flowers(tmp_path: Path) -> pd.DataFrame:
    return load(IRIS.dataset, cache=tmp_path, offline=True).frame


def test_words_are_those_of_seen_rows_and_unknown_ones_are_counted_on_the_others(
    messages: pd.DataFrame,
) -> None:
    found = made(SPAM, messages, [1, 5])

    shares = found.fields["text"][UNKNOWN_WORDS]
    assert "wohin" not in found.vocabulary["text"]
    assert "prize" in found.vocabulary["text"]
    assert isinstance(shares, Numbers)
    assert shares.sample == (0.5, 1.0)  # "call me", "wohin denn"
    assert found.fields["text"]["length"].rows == 6
    assert (found.rows, found.unseen_rows) == (6, 2)


def test_predictions_are_those_of_unseen_rows(messages: pd.DataFrame) -> None:
    found = made(SPAM, messages, [1, 5])

    assert found.prediction["label"] == Counts(counts={"ham": 2})
    assert found.prediction["probability"].rows == 2


def test_it_comes_back_as_it_was_and_equal_rows_make_equal_files(
    flowers: pd.DataFrame,
) -> None:
    kept = made(IRIS, flowers, [3, 80, 140])

    assert read_reference({REFERENCE: render_reference(kept)}) == kept
    assert render_reference(kept) == render_reference(made(IRIS, flowers, [3, 80, 140]))


def test_many_numbers_keep_their_order_and_ends(
    flowers: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "MOST_NUMBERS", 11)
    kept = made(IRIS, flowers, [0]).fields["petal_length"]["value"]

    all_of_them = flowers["petal_length"]
    assert isinstance(kept, Numbers)
    assert (len(kept.sample), kept.rows) == (11, len(flowers))
    assert (kept.sample[0], kept.sample[-1]) == (all_of_them.min(), all_of_them.max())
    assert kept.sample[5] == pytest.approx(all_of_them.median(), abs=0.1)


def test_many_rows_are_thinned_out(
    flowers: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "MOST_ROWS", 50)

    found = made(IRIS, flowers, [0, 1])

    assert found.rows == 50
    assert found.fields["petal_length"]["value"].rows == 50


def test_a_use_case_with_a_prior_is_described_at_that_prior() -> None:
    labels = np.array([0] * 9900 + [1] * 4000)
    use_case = replace(FRAUD, prior=0.01)

    places = typical(use_case, labels, np.arange(len(labels)), np.random.default_rng(0))

    assert labels[places].sum() == 100
    assert len(places) == 10_000
    assert sorted(set(places)) == places.tolist()


def test_a_version_without_a_reference_or_with_a_later_one_is_told() -> None:
    later = gzip.compress(json.dumps({"format": 2}).encode())

    with pytest.raises(NoReference, match="train it again"):
        read_reference({})
    for content in (later, b"no gzip", gzip.compress(b"{")):
        with pytest.raises(NoReference, match="another Ekiben"):
            read_reference({REFERENCE: content})
