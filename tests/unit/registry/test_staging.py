"""Private directories to prepare a version in."""

from pathlib import Path

import pytest

from ekiben.registry.files import locked
from ekiben.registry.staging import LOCK, workspace


def directories(staging: Path) -> list[Path]:
    return [path for path in staging.iterdir() if path.is_dir()]


def test_a_workspace_is_gone_after_its_block(tmp_path: Path) -> None:
    with workspace(tmp_path / "staging") as directory:
        (directory / "half").write_bytes(b"")

    assert directories(tmp_path / "staging") == []


def test_a_workspace_is_gone_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), workspace(tmp_path / "staging"):
        raise ZeroDivisionError

    assert directories(tmp_path / "staging") == []


def test_two_workspaces_do_not_touch_each_other(tmp_path: Path) -> None:
    with workspace(tmp_path) as one, workspace(tmp_path) as other:
        assert one != other
        assert sorted(directories(tmp_path)) == sorted([one, other])


def test_what_a_dead_process_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "locked-once").mkdir()
    (tmp_path / "locked-once" / LOCK).write_bytes(b"")
    (tmp_path / "never-locked" / "deep").mkdir(parents=True)

    with workspace(tmp_path) as directory:
        assert directories(tmp_path) == [directory]


def test_what_a_live_process_holds_is_kept(tmp_path: Path) -> None:
    (tmp_path / "held").mkdir()

    with locked(tmp_path / "held" / LOCK), workspace(tmp_path):
        assert (tmp_path / "held").is_dir()


def test_a_symlink_in_staging_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "link").symlink_to(tmp_path / "mine")

    with workspace(tmp_path / "staging"):
        assert list((tmp_path / "mine").iterdir()) == []
