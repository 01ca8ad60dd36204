"""The pepper: from the setting, or a file that only its owner may read."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ekiben.access.pepper import pepper_of
from ekiben.errors import InvalidSettings, PepperMissing, PepperUnsafe
from ekiben.settings import Settings

LONG = "x" * 32


def test_the_setting_goes_first(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, key_pepper=LONG)

    assert pepper_of(settings).secret == LONG.encode()
    assert not (tmp_path / "ekiben").exists()
    assert LONG not in repr(settings)


def test_a_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: pepper_of(settings).secret, range(32)))

    file = tmp_path / "ekiben" / "key-pepper"
    assert found == {file.read_bytes().strip()}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    pepper_of(settings)
    (tmp_path / "ekiben" / "key-pepper").chmod(0o644)

    with pytest.raises(PepperUnsafe, match="chmod 600"):
        pepper_of(settings)


def test_a_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    pepper_of(settings)
    (tmp_path / "ekiben" / "key-pepper").write_text("short")

    with pytest.raises(PepperUnsafe):
        pepper_of(settings)


def test_postgresql_needs_the_setting(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url="postgresql://h/d")

    with pytest.raises(PepperMissing, match="EKIBEN_KEY_PEPPER"):
        pepper_of(settings)


def test_a_short_pepper_is_refused_without_being_shown() -> None:
    with pytest.raises(InvalidSettings, match="EKIBEN_KEY_PEPPER") as refused:
        Settings.from_env({"EKIBEN_KEY_PEPPER": "s3cret"})
    assert "s3cret" not in str(refused.value)
