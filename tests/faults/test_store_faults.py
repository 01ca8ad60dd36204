"""What the disk or an attacker may do to a version in the store (C-40, C-41, C-46)."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

from ekiben.errors import ArtefactRefused, UnknownModel
from ekiben.registry.files import digest_tree
from ekiben.registry.manifest import MANIFEST, read_manifest, render, seal
from ekiben.registry.store import Store
from tests.tiny import GOLDEN, register
from tests.unit.registry.test_tags import BAD_TAGS

TRUNCATIONS = 20
BIT_FLIPS = 50


class Bomb(BaseEstimator):  # type: ignore[misc]
    """An estimator whose unpickling makes a directory: the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.canary),)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path / "home")


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def bomb(store: Store, canary: Path) -> Path:
    """The directory of a version that goes off when it is unpickled, `iris:bomb`."""
    register(store, version="bomb", model=Bomb(canary))
    return store.models / "iris" / "bomb"


def reseal(directory: Path) -> None:
    """Make the manifest anew, as an attacker who can write would."""
    card = read_manifest(directory).card
    (directory / MANIFEST).unlink()
    manifest = seal(card, digest_tree(directory), GOLDEN)
    (directory / MANIFEST).write_bytes(render(manifest))


def assert_refused(store: Store, canary: Path, match: str = "refused") -> None:
    with pytest.raises(ArtefactRefused, match=match):
        store.load("iris:bomb")
    assert not canary.exists()


def spoilt(content: bytes) -> Iterator[bytes]:
    """Yield truncated, flipped and emptied copies of *content*."""
    rng = random.Random(40)
    for cut in range(TRUNCATIONS):
        yield content[: len(content) * cut // TRUNCATIONS]
    for _ in range(BIT_FLIPS):
        flipped = bytearray(content)
        flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        yield bytes(flipped)
    yield bytes(len(content))
    yield content + b"\x00"


def test_c40_c41_the_canary_would_be_made_if_the_model_were_unpickled(
    store: Store, bomb: Path, canary: Path
) -> None:
    store.load("iris:bomb")

    assert bomb.is_dir()
    assert canary.exists()


@pytest.mark.parametrize("name", ["saved_model.pkl", "model.yaml", "manifest.json"])
def test_a_damaged_file_is_refused_before_anything_is_parsed(
    store: Store, bomb: Path, canary: Path, name: str
) -> None:
    for content in spoilt((bomb / name).read_bytes()):
        (bomb / name).write_bytes(content)
        assert_refused(store, canary)


@pytest.mark.parametrize("name", ["saved_model.pkl", "model.yaml", "manifest.json"])
def test_the_file_of_another_version_is_refused(
    store: Store, bomb: Path, canary: Path, name: str
) -> None:
    register(store, version="other")
    shutil.copyfile(bomb.parent / "other" / name, bomb / name)

    assert_refused(store, canary)


def test_the_directory_of_another_version_is_refused(
    store: Store, bomb: Path, canary: Path
) -> None:
    bomb.rename(bomb.parent / "moved")

    with pytest.raises(ArtefactRefused, match="iris:bomb"):
        store.load("iris:moved")
    assert not canary.exists()


@pytest.mark.parametrize("name", ["extra", "custom_objects.pkl", ".hidden"])
def test_an_extra_file_is_refused(
    store: Store, bomb: Path, canary: Path, name: str
) -> None:
    shutil.copyfile(bomb / "saved_model.pkl", bomb / name)

    assert_refused(store, canary, match=f"{name} was not there")


@pytest.mark.parametrize("name", ["saved_model.pkl", "model.yaml", "manifest.json"])
def test_a_symlink_to_the_very_same_bytes_is_refused(
    store: Store, bomb: Path, canary: Path, name: str
) -> None:
    (bomb / name).rename(bomb.parent.parent / "elsewhere")
    (bomb / name).symlink_to(bomb.parent.parent / "elsewhere")

    assert_refused(store, canary, match=f"{name} is not a regular file")


def test_a_symlink_in_place_of_the_version_is_refused(
    store: Store, bomb: Path, canary: Path
) -> None:
    bomb.rename(bomb.parent.parent / "elsewhere")
    bomb.symlink_to(bomb.parent.parent / "elsewhere")

    assert_refused(store, canary, match="not a directory of its own")


def test_a_resealed_version_of_another_module_is_refused(
    store: Store, bomb: Path, canary: Path
) -> None:
    described = (bomb / "model.yaml").read_text().replace("bentoml.sklearn", "os")
    (bomb / "model.yaml").write_text(described)
    reseal(bomb)

    assert_refused(store, canary, match="names module 'os'")


def test_resealed_yaml_makes_no_objects(store: Store, bomb: Path, canary: Path) -> None:
    (bomb / "model.yaml").write_text(f"!!python/object/apply:os.mkdir ['{canary}']")
    reseal(bomb)

    assert_refused(store, canary, match="not YAML")


def test_resealed_custom_objects_are_refused(
    store: Store, bomb: Path, canary: Path
) -> None:
    shutil.copyfile(bomb / "saved_model.pkl", bomb / "custom_objects.pkl")
    reseal(bomb)

    assert_refused(store, canary, match=r"custom_objects\.pkl is not allowed")


def test_a_resealed_model_that_is_no_pickle_is_refused(
    store: Store, bomb: Path, canary: Path
) -> None:
    (bomb / "saved_model.pkl").write_bytes(b"not a pickle")
    reseal(bomb)

    assert_refused(store, canary, match="cannot be loaded")


@pytest.mark.parametrize("tag", BAD_TAGS)
def test_only_an_exact_tag_finds_a_version(store: Store, tag: str) -> None:
    register(store, version="abc")

    for call in (store.manifest, store.verify, store.load):
        with pytest.raises(UnknownModel):
            call(tag)
