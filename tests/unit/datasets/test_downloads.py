"""Downloads are checked, cached, and given up quickly."""

import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ekiben.datasets import Dataset, PublicFile, load
from ekiben.datasets.downloads import PublicFileUnavailable, fetch
from ekiben.errors import DownloadFailed


def public_of(dataset: Dataset) -> PublicFile:
    assert dataset.public is not None
    return dataset.public


def test_a_download_is_kept_in_the_cache(served: Dataset, cache: Path) -> None:
    path = fetch(public_of(served), cache)

    assert path == cache / "fruit.csv"
    assert path.stat().st_size == public_of(served).bytes


def test_a_downloaded_table_is_real_and_names_its_address(
    served: Dataset, cache: Path
) -> None:
    card = load(served, cache=cache).card

    assert (card.kind, card.source) == ("real", public_of(served).url)


def test_a_download_with_the_wrong_checksum_is_no_fall_back(
    served: Dataset, cache: Path
) -> None:
    other = replace(served, public=replace(public_of(served), sha256="0" * 64))

    with pytest.raises(DownloadFailed, match="does not match the known hash"):
        load(other, cache=cache)

    assert list(cache.iterdir()) == []


def test_a_spoilt_file_in_the_cache_is_downloaded_again(
    served: Dataset, cache: Path
) -> None:
    fetch(public_of(served), cache).write_text("spoilt")

    assert load(served, cache=cache).card.rows == 24


@pytest.mark.alone
def test_a_closed_port_falls_back_to_the_sample_within_seconds(
    unreachable: Dataset, cache: Path
) -> None:
    started = time.monotonic()

    card = load(unreachable, cache=cache).card

    assert card.kind == "sample"
    assert time.monotonic() - started < 5.0


@pytest.mark.alone
def test_a_host_that_takes_the_call_but_never_answers_is_given_up_within_seconds(
    unreachable: Dataset, cache: Path
) -> None:
    started = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/fruit.csv"

        with pytest.raises(PublicFileUnavailable):
            fetch(replace(public_of(unreachable), url=url), cache)

    assert time.monotonic() - started < 6.0


def test_a_host_that_failed_is_not_asked_again(
    unreachable: Dataset, cache: Path
) -> None:
    with pytest.raises(PublicFileUnavailable):
        fetch(public_of(unreachable), cache)

    with pytest.raises(PublicFileUnavailable, match="failed before"):
        fetch(public_of(unreachable), cache)


def test_a_file_that_the_server_does_not_have_falls_back_to_the_sample(
    served: Dataset, cache: Path
) -> None:
    gone = replace(public_of(served), url=public_of(served).url + ".gone")

    assert load(replace(served, public=gone), cache=cache).card.kind == "sample"


def test_a_cache_that_cannot_be_made_is_told_in_one_line(
    served: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DownloadFailed, match=r"fruit.csv cannot be kept: .*file"):
        fetch(public_of(served), tmp_path / "file")
