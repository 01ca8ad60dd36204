"""The public files, where they are at hand, read to the known counts."""

from pathlib import Path

import pytest

from ekiben.datasets import Dataset, load
from ekiben.datasets.fraud import FRAUD
from ekiben.datasets.spam import SPAM
from ekiben.datasets.topics import TOPICS
from ekiben.datasets.turnover import TURNOVER

pytestmark = pytest.mark.real_data


@pytest.mark.parametrize(
    ("dataset", "rows", "dropped", "label", "labelled"),
    [
        pytest.param(TURNOVER, 11_991, 3_008, True, 1_991, id="turnover"),
        pytest.param(FRAUD, 1_703, 19, 1, 473, id="fraud"),
        pytest.param(SPAM, 5_171, 403, "spam", 653, id="spam"),
        pytest.param(TOPICS, 764, 0, "mlops", 63, id="topics"),
    ],
)
def test_a_public_file_has_the_known_rows_duplicates_and_labels(
    dataset: Dataset,
    rows: int,
    dropped: int,
    label: object,
    labelled: int,
    real_data: Path,
    tmp_path: Path,
) -> None:
    table = load(dataset, data_dir=real_data, cache=tmp_path)

    assert (table.card.rows, table.card.duplicates_dropped) == (rows, dropped)
    assert (table.frame[dataset.target] == label).sum() == labelled


def test_the_standard_header_of_the_card_table_is_read_too(
    real_data: Path, tmp_path: Path
) -> None:
    path = real_data / "creditcard_small.csv"

    assert load(FRAUD, path=path, cache=tmp_path).frame["is_fraud"].sum() == 15


def test_a_topic_text_is_title_then_description(
    real_data: Path, tmp_path: Path
) -> None:
    frame = load(TOPICS, data_dir=real_data, cache=tmp_path).frame

    assert frame["text"][0].startswith(
        "Comparison between YOLO and RCNN on real world videos Bringing theory"
    )


def test_quotes_in_a_message_are_part_of_it(real_data: Path, tmp_path: Path) -> None:
    frame = load(SPAM, data_dir=real_data, cache=tmp_path).frame

    assert frame["text"].str.startswith('"').any()
