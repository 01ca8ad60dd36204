"""The order in which sources are tried, and what the card says of the one taken."""

import hashlib
import logging
from pathlib import Path

import pytest

from ekiben.datasets import Dataset, choose, load
from ekiben.errors import InvalidTable

OWN_TEXT = (
    "weight,kind\n"
    + "1,pear\n"
    + "".join(f"{weight},{kind}\n" for kind in ("pear", "plum") for weight in range(10))
)


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "own.csv"
    path.write_text(OWN_TEXT)
    return path


@pytest.fixture
def data_dir(served: Dataset, tmp_path: Path) -> Path:
    return tmp_path / "served"


def test_a_given_file_comes_before_the_data_folder(
    served: Dataset, own_file: Path, data_dir: Path, cache: Path
) -> None:
    table = load(served, path=own_file, data_dir=data_dir, cache=cache)

    assert table.card.source == "own.csv"


def test_the_data_folder_comes_before_the_download(
    served: Dataset, data_dir: Path, cache: Path
) -> None:
    table = load(served, data_dir=data_dir, cache=cache)

    assert table.card.source == "fruit.csv"
    assert not cache.exists()


def test_a_data_folder_without_the_file_is_passed_over(
    served: Dataset, tmp_path: Path, cache: Path
) -> None:
    table = load(served, data_dir=tmp_path, cache=cache)

    assert served.public is not None
    assert table.card.source == served.public.url


def test_the_cached_download_is_used_offline(served: Dataset, cache: Path) -> None:
    load(served, cache=cache)

    assert load(served, cache=cache, offline=True).card.kind == "real"


def test_offline_without_a_cached_download_the_sample_is_used(
    served: Dataset, cache: Path
) -> None:
    card = load(served, cache=cache, offline=True).card

    assert (card.kind, card.source) == ("sample", "generator of fruit")


def test_the_fall_back_to_the_sample_is_a_warning_with_its_reason(
    served: Dataset, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        load(served, cache=cache, offline=True)

    assert caplog.messages == ["fruit: using the offline sample: offline"]


def test_another_file_in_the_data_folder_is_refused_with_both_checksums(
    served: Dataset, data_dir: Path, cache: Path
) -> None:
    (data_dir / "fruit.csv").write_text(OWN_TEXT)
    actual = hashlib.sha256(OWN_TEXT.encode()).hexdigest()
    assert served.public is not None

    with pytest.raises(InvalidTable, match=f"{served.public.sha256}, found {actual}"):
        load(served, data_dir=data_dir, cache=cache)


def test_the_card_tells_file_digest_rows_duplicates_and_note(
    served: Dataset, own_file: Path, cache: Path
) -> None:
    card = load(served, path=own_file, cache=cache).card

    assert card.model_dump() == {
        "source": "own.csv",
        "kind": "real",
        "sha256": hashlib.sha256(OWN_TEXT.encode()).hexdigest(),
        "rows": 20,
        "duplicates_dropped": 1,
        "note": "Not to be eaten.",
    }


def test_the_digest_of_a_sample_is_that_of_its_csv_text(
    served: Dataset, cache: Path
) -> None:
    text = served.sample().to_csv(index=False, lineterminator="\n")

    card = load(served, cache=cache, offline=True).card

    assert card.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_rows_are_numbered_anew_after_duplicates_are_dropped(
    served: Dataset, own_file: Path, cache: Path
) -> None:
    frame = load(served, path=own_file, cache=cache).frame

    assert list(frame.index) == list(range(20))


def test_choosing_a_source_downloads_nothing(served: Dataset, cache: Path) -> None:
    assert choose(served, cache=cache).origin == "download"
    assert not cache.exists()
