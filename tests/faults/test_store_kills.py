"""What a kill, a race or a full disk may do to the store while versions are registered (C-44, C-45, C-47)."""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bentoml._internal.models import ModelStore

from ekiben.registry.store import Store
from tests.faults import children
from tests.forking import forkserver
from tests.tiny import productions, promote, register

KILLS = 20
RACES = 10
MOST_STEPS = 100
SECONDS_OF_A_REGISTRATION = 0.04
"""Twice what one takes: a kill within it may meet any step."""

processes = forkserver()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path / "home")


def directories(path: Path) -> list[Path]:
    return [entry for entry in path.iterdir() if entry.is_dir()]


def assert_sound(store: Store) -> None:
    """Every version that the store lists is whole."""
    tags = store.tags()
    assert [store.verify(tag).card.tag for tag in tags] == tags


def assert_sound_for_bentoml(store: Store) -> None:
    """BentoML, which stumbles over half a version, lists exactly what the store does."""
    listed = [str(model.tag) for model in ModelStore(store.models).list()]
    assert sorted(listed) == sorted(store.tags())


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
    assert interrupted > KILLS / 20, "kills were to fall inside registrations"


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


def test_c44_without_staging_a_kill_leaves_half_a_version(tmp_path: Path) -> None:
    for step in range(1, MOST_STEPS):
        home = tmp_path / f"step-{step}"
        register(Store.at(home))
        exit_code(children.save_plainly_and_die_at, home, step)
        if not listable(ModelStore(home / "models")):
            return
    pytest.fail("BentoML saves all or nothing by now")


def listable(store: ModelStore) -> bool:
    """Whether BentoML can list its models and what each holds."""
    try:
        return all(any(Path(one.path).rglob("*.pkl")) for one in store.list())
    except Exception:
        return False


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
