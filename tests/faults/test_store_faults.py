"""What the disk, a kill, a race or an attacker may do to the store (C-40, C-41, C-44 to C-47)."""

import multiprocessing
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bentoml._internal.models import ModelStore
from sklearn.base import BaseEstimator

from ekiben.errors import ArtefactRefused, UnknownModel
from ekiben.registry.files import digest_tree
from ekiben.registry.manifest import MANIFEST, read_manifest, render, seal
from ekiben.registry.store import Store
from tests.faults import children
from tests.tiny import GOLDEN, productions, promote, register
from tests.unit.registry.test_tags import BAD_TAGS

TRUNCATIONS = 20
BIT_FLIPS = 50
KILLS = 20
RACES = 10
MOST_STEPS = 100
SECONDS_OF_A_REGISTRATION = 0.04
"""Twice what one takes: a kill within it may meet any step."""

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["bentoml.sklearn", children.__name__])


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


def directories(path: Path) -> list[Path]:
    return [entry for entry in path.iterdir() if entry.is_dir()]


def assert_refused(store: Store, canary: Path, match: str = "refused") -> None:
    with pytest.raises(ArtefactRefused, match=match):
        store.load("iris:bomb")
    assert not canary.exists()


def assert_sound(store: Store) -> None:
    """Every version that the store lists is whole."""
    tags = store.tags()
    assert [store.verify(tag).card.tag for tag in tags] == tags


def assert_sound_for_bentoml(store: Store) -> None:
    """BentoML, which stumbles over half a version, lists exactly what the store does."""
    listed = [str(model.tag) for model in ModelStore(store.models).list()]
    assert sorted(listed) == sorted(store.tags())


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


def test_the_canary_would_be_made_if_the_model_were_unpickled(
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


def test_a_kill_at_any_moment_leaves_a_sound_store(store: Store) -> None:
    home = store.models.parent
    rng = random.Random(44)
    promote(home, register(store))
    interrupted = 0

    for _ in range(KILLS):
        ready, started = processes.Pipe(duplex=False)
        child = processes.Process(
            target=children.register_for_ever, args=(home, started)
        )
        child.start()
        ready.recv()
        time.sleep(rng.uniform(0, SECONDS_OF_A_REGISTRATION))
        child.kill()
        child.join()

        interrupted += len(directories(store.staging))
        assert_sound(store)
        alias = productions(home)["iris"]
        assert store.verify(alias.tag).digest == alias.digest
        tag = register(store).card.tag
        assert tag in store.tags()
        assert directories(store.staging) == []
    assert_sound_for_bentoml(store)
    # The others fall inside promotions.
    assert interrupted > KILLS / 5, "kills were to fall inside registrations"


def test_a_kill_at_each_step_leaves_all_or_nothing(tmp_path: Path) -> None:
    for step in range(1, MOST_STEPS):
        home = tmp_path / f"step-{step}"
        store = Store.at(home)
        register(store)
        code = exit_code(children.register_and_die_at, home, step)

        assert_sound(store)
        assert len(store.tags()) in ({1, 2} if code else {2})
        assert_sound_for_bentoml(store)
        register(store)
        assert directories(store.staging) == []
        if code == 0:
            break
    assert 20 < step < MOST_STEPS - 1, "each step was to be met, and then none"


def test_of_two_processes_that_register_the_same_tag_one_wins(store: Store) -> None:
    for number in range(RACES):
        barrier = processes.Barrier(2)
        arguments = (store.models.parent, f"v{number}", barrier)
        racers = [
            processes.Process(target=children.register_the_same, args=arguments)
            for _ in range(2)
        ]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()

        codes = sorted(racer.exitcode or 0 for racer in racers)
        assert codes == [children.WON, children.LOST]
    assert len(store.tags()) == RACES
    assert_sound(store)
    assert_sound_for_bentoml(store)


@pytest.mark.parametrize(
    ("size", "golden"),
    [
        pytest.param(0, 10, id="nothing-fits"),
        pytest.param(100, 10, id="model-cut"),
        pytest.param(600, 10, id="description-cut"),
        pytest.param(8000, 10_000, id="manifest-cut"),
    ],
)
def test_a_full_disk_leaves_nothing_to_be_seen(
    store: Store, size: int, golden: int
) -> None:
    before = register(store).card.tag
    home = store.models.parent

    assert exit_code(children.register_with_files_up_to, home, size, golden) == (
        children.REFUSED
    )
    assert store.tags() == [before]
    assert_sound(store)
    assert_sound_for_bentoml(store)
    assert directories(store.staging) == []
    after = register(store).card.tag
    assert sorted(store.tags()) == sorted([before, after])


def test_a_full_disk_leaves_production_where_it_was(store: Store) -> None:
    home = store.models.parent
    old, new = register(store), register(store)
    before = promote(home, old)

    code = exit_code(children.promote_with_files_up_to, home, new, 20)

    assert code == children.REFUSED
    assert productions(home)["iris"].sequence == before.sequence
    promote(home, new)
    assert productions(home)["iris"].previous == old.card.tag


@pytest.fixture
def foreign_home() -> Iterator[Path]:
    """A home with `iris:v1` below directories that everybody may enter."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        home.chmod(0o755)
        register(Store.at(home), version="v1")
        yield home
        for path in home.rglob("*"):
            path.chmod(0o755)


def test_a_read_only_store_serves_and_refuses_to_register(foreign_home: Path) -> None:
    store = Store.at(foreign_home)
    for path in [store.models, store.models / "iris", store.staging]:
        path.chmod(0o555)

    assert exit_code(children.register_as_nobody, foreign_home) == children.REFUSED
    assert store.tags() == ["iris:v1"]
    assert store.load("iris:v1").estimator.predict([[5]]) == [1]


def test_a_store_of_another_user_is_one_clear_error(foreign_home: Path) -> None:
    (foreign_home / "models").chmod(0o700)

    assert exit_code(children.list_as_nobody, foreign_home) == children.REFUSED
    assert exit_code(children.load_as_nobody, foreign_home, "iris:v1") == (
        children.REFUSED
    )


def exit_code(target: Callable[..., None], *arguments: object) -> int | None:
    child = processes.Process(target=target, args=arguments)
    child.start()
    child.join()
    return child.exitcode
