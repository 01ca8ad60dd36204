"""The offline samples: valid, the same every time, and balanced like the public tables."""

from pathlib import Path

import pandas as pd
import pytest

from ekiben.datasets import Dataset, load
from ekiben.datasets.fraud import FRAUD
from ekiben.datasets.iris import IRIS
from ekiben.datasets.spam import SPAM
from ekiben.datasets.topics import TOPICS
from ekiben.datasets.turnover import TURNOVER

ALL = [
    pytest.param(dataset, id=dataset.name)
    for dataset in (IRIS, TURNOVER, FRAUD, SPAM, TOPICS)
]


@pytest.mark.parametrize("dataset", ALL)
def test_a_sample_passes_the_checks_of_its_data_set(
    dataset: Dataset, tmp_path: Path
) -> None:
    frame = load(dataset, cache=tmp_path, offline=True).frame

    assert list(frame.columns) == list(dataset.schema.columns)


@pytest.mark.parametrize("dataset", ALL)
def test_a_sample_is_the_same_on_every_call(dataset: Dataset) -> None:
    pd.testing.assert_frame_equal(dataset.sample(), dataset.sample())


@pytest.mark.parametrize("dataset", ALL)
def test_a_sample_survives_its_own_csv_text(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    dataset.sample().to_csv(path, index=False)

    again = load(dataset, path=path, cache=tmp_path).frame

    pd.testing.assert_frame_equal(
        again, load(dataset, cache=tmp_path, offline=True).frame
    )


@pytest.mark.parametrize(
    ("dataset", "label", "share"),
    [
        pytest.param(TURNOVER, True, 0.166, id="turnover"),
        pytest.param(FRAUD, 1, 0.286, id="fraud"),
        pytest.param(SPAM, "spam", 0.126, id="spam"),
        pytest.param(TOPICS, "natural-language-processing", 0.406, id="topics-nlp"),
        pytest.param(TOPICS, "mlops", 0.082, id="topics-mlops"),
    ],
)
def test_labels_have_the_share_that_they_have_in_the_public_table(
    dataset: Dataset, label: object, share: float, tmp_path: Path
) -> None:
    labels = load(dataset, cache=tmp_path, offline=True).frame[dataset.target]

    assert (labels == label).mean() == pytest.approx(share, abs=0.002)


def test_iris_is_real_without_any_file(tmp_path: Path) -> None:
    card = load(IRIS, cache=tmp_path, offline=True).card

    assert (card.kind, card.source, card.rows) == ("real", "scikit-learn", 149)


def test_the_card_of_fraud_warns_of_its_class_prior(tmp_path: Path) -> None:
    assert "0.173 %" in load(FRAUD, cache=tmp_path, offline=True).card.note
