"""Files that are whole or absent."""

from pathlib import Path

import pytest

from ekiben.registry.files import locked, replace_file


def test_a_replaced_file_holds_the_new_bytes_and_leaves_nothing_beside(
    tmp_path: Path,
) -> None:
    path = tmp_path / "fact"
    path.write_bytes(b"old and longer")

    replace_file(path, b"new", scratch=tmp_path / "scratch")

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    path = tmp_path / "fact"
    path.write_bytes(b"old")

    with pytest.raises(OSError, match="scratch"):
        replace_file(path, b"new", scratch=tmp_path / "nowhere" / "scratch")
    assert path.read_bytes() == b"old"


def test_a_held_lock_is_not_given_twice(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock"),
        pytest.raises(BlockingIOError),
        locked(tmp_path / "lock", wait=False),
    ):
        pass


def test_a_lock_is_free_again_after_its_block(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        pass

    with locked(tmp_path / "lock", wait=False):
        pass
