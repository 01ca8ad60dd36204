"""C-83: wheels come with the hash that the lock says, or not at all."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from ekiben.errors import BuildRefused
from ekiben.packaging.wheels import fetch_wheels, fits_this_host

FILES = {
    "tiny.py": "",
    "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
    "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "tiny-1.0.dist-info/RECORD": "",
}


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel in the only place where pip looks."""
    path = tmp_path / "index" / "tiny-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


def lock(tmp_path: Path, digest: str) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    return path


def digest_of(wheel: Path) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_wheels_are_fetched_once_per_lock(wheel: Path, tmp_path: Path) -> None:
    locked = lock(tmp_path, digest_of(wheel))

    folder = fetch_wheels([locked], tmp_path / "cache")
    wheel.unlink()
    again = fetch_wheels([locked], tmp_path / "cache")

    assert [one.name for one in folder.iterdir()] == ["tiny-1.0-py3-none-any.whl"]
    assert again == folder


def test_c83_a_wheel_with_another_hash_is_refused_and_nothing_is_kept(
    wheel: Path, tmp_path: Path
) -> None:
    locked = lock(tmp_path, digest_of(wheel))
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("more.py", "")

    for _ in range(2):
        with pytest.raises(BuildRefused, match="wheels: "):
            fetch_wheels([locked], tmp_path / "cache")


def test_c83_a_missing_wheel_is_refused(wheel: Path, tmp_path: Path) -> None:
    locked = lock(tmp_path, digest_of(wheel))
    wheel.unlink()

    with pytest.raises(BuildRefused, match="tiny"):
        fetch_wheels([locked], tmp_path / "cache")


def test_only_the_images_own_python_can_choose_its_wheels() -> None:
    assert not fits_this_host("2.7")
    assert not fits_this_host("")
