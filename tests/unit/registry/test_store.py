"""The model store."""

import logging
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore

from ekiben.errors import (
    ArtefactRefused,
    StoreUnavailable,
    UnknownModel,
    VersionExists,
)
from ekiben.registry.libraries import running_libraries
from ekiben.registry.store import Store
from tests.tiny import GOLDEN, card, estimator, register, trained


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path)


def path_of(store: Store, tag: str) -> Path:
    return store.models.joinpath(*tag.split(":"))


def test_a_registered_version_is_listed_verified_and_loaded(store: Store) -> None:
    manifest = register(store, model=estimator(answer=0))
    tag = manifest.card.tag

    assert store.tags() == store.tags("iris") == [tag]
    assert store.manifest(tag) == store.verify(tag) == manifest
    version = store.load(tag)
    assert (version.tag, version.manifest) == (tag, manifest)
    assert version.estimator.predict([[5]]) == [0]


def test_the_manifest_names_every_file_but_itself(store: Store) -> None:
    manifest = register(store)

    on_disk = {path.name for path in path_of(store, manifest.card.tag).iterdir()}
    assert manifest.files.keys() == on_disk - {"manifest.json"}
    assert manifest.files.keys() == {"model.yaml", "saved_model.pkl"}
    assert manifest.golden == GOLDEN


def test_further_files_are_kept_and_covered_like_the_others(store: Store) -> None:
    manifest = register(store, extras={"evidence/rows.txt": b"1 2 3"})
    tag = manifest.card.tag

    assert manifest.files.keys() == {
        "evidence/rows.txt",
        "model.yaml",
        "saved_model.pkl",
    }
    read, files = store.read(tag)
    assert (read, files["evidence/rows.txt"]) == (manifest, b"1 2 3")
    (path_of(store, tag) / "evidence" / "rows.txt").write_bytes(b"1 2 4")
    with pytest.raises(ArtefactRefused, match=r"evidence/rows\.txt has another sha256"):
        store.load(tag)


def test_no_further_file_takes_the_place_of_the_model(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match=r"saved_model\.pkl"):
        register(store, extras={"saved_model.pkl": b""})
    assert store.tags() == []


def test_bentoml_gets_and_shows_what_was_registered(store: Store) -> None:
    tag = register(store).card.tag

    model = ModelStore(store.models).get("iris:latest")
    assert str(model.tag) == tag
    assert model.info.module == "bentoml.sklearn"
    assert model.info.labels == {"use_case": "iris", "data": "sample"}
    assert model.info.metadata["metrics"] == {"f1": 0.5}
    assert model.load_model().predict([[5]]) == [1]


def test_a_version_copied_into_a_bento_is_whole(store: Store, tmp_path: Path) -> None:
    manifest = register(store)
    packed = tmp_path / "bento" / "models"

    model = ModelStore(store.models).get(manifest.card.tag)
    model.save(ModelStore(packed))

    assert Store(packed, tmp_path).verify(manifest.card.tag) == manifest


def test_tags_come_by_use_case_and_then_newest_last(store: Store) -> None:
    spam = register(store, "spam", make_card=trained(3)).card.tag
    second = register(store, make_card=trained(2)).card.tag
    first = register(store, make_card=trained(1)).card.tag

    assert store.tags() == [first, second, spam]
    assert store.tags("iris") == [first, second]
    assert store.tags("fraud") == []


def test_a_store_that_does_not_exist_is_empty_and_stays_so(store: Store) -> None:
    assert store.tags() == store.tags("iris") == []
    assert not store.models.exists()


def test_bentoml_and_others_may_leave_what_they_like_beside(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    tag = register(store).card.tag
    series = store.models / "iris"
    (series / "empty").mkdir()
    (series / "cut").mkdir()
    (series / "cut" / "manifest.json").write_bytes(b"{")
    shutil.copytree(path_of(store, tag), series / "copy")
    (series / "link").symlink_to(path_of(store, tag))
    (series / "UPPER").mkdir()
    (store.models / "file").write_bytes(b"")

    with caplog.at_level(logging.WARNING):
        assert store.tags() == [tag]
    assert store.tags("file") == []
    assert sorted(vars(record)["tag"] for record in caplog.records) == [
        "iris:copy",
        "iris:cut",
        "iris:empty",
        "iris:link",
    ]


def test_a_version_with_the_name_of_another_is_refused(store: Store) -> None:
    tag = register(store).card.tag
    shutil.copytree(path_of(store, tag), store.models / "iris" / "copy")

    with pytest.raises(ArtefactRefused, match=rf"iris:copy .* of {tag}"):
        store.load("iris:copy")


def test_the_prefix_of_a_version_is_unknown(store: Store) -> None:
    tag = register(store).card.tag

    for call in (store.manifest, store.verify, store.load):
        with pytest.raises(UnknownModel):
            call(tag[:-1])


def test_a_version_is_registered_once(store: Store) -> None:
    first = register(store, version="v1")

    with pytest.raises(VersionExists, match="iris:v1"):
        register(store, version="v1", model=estimator(answer=0))
    assert store.verify("iris:v1") == first


@pytest.mark.parametrize("version", ["", "latest", "V1", "../x", "v1\n", "v1-"])
def test_a_version_that_is_no_file_name_is_not_registered(
    store: Store, version: str
) -> None:
    with pytest.raises(UnknownModel):
        register(store, version=version)
    assert not store.models.exists()


def test_the_card_must_be_of_the_version(store: Store) -> None:
    with pytest.raises(ValueError, match="is about iris:other"):
        register(store, make_card=lambda _: card("iris:other"))
    assert store.tags() == []


def test_nothing_is_left_in_staging(store: Store) -> None:
    register(store)
    with pytest.raises(TypeError, match="sklearn"):
        register(store, model=object())

    assert [path.name for path in store.staging.iterdir()] == [".lock"]
    assert len(store.tags()) == 1


def test_bentoml_keeps_its_own_store(store: Store, tmp_path: Path) -> None:
    own = ModelStore(tmp_path / "own" / "models")
    with BentoMLContainer.model_store.patch(own):
        register(store)
        with pytest.raises(TypeError, match="sklearn"):
            register(store, model=object())

        assert BentoMLContainer.model_store.get() is own
        assert Store.of_bentoml().models == tmp_path / "own" / "models"
    assert not (tmp_path / "own").exists()


def test_threads_may_register_at_once(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        manifests = list(pool.map(lambda _: register(store), range(8)))

    tags = sorted(manifest.card.tag for manifest in manifests)
    assert sorted(store.tags()) == tags
    assert [store.verify(tag).card.tag for tag in tags] == tags


def test_each_file_is_opened_once_for_a_load(store: Store) -> None:
    tag = register(store).card.tag
    opened: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open":
            opened.append(str(arguments[0]).rpartition("/")[2])

    sys.addaudithook(watch)
    store.load(tag)
    watching = False

    ours = [name for name in opened if name in {"model.yaml", "saved_model.pkl"}]
    assert sorted(ours) == ["model.yaml", "saved_model.pkl"]
    assert opened.count("manifest.json") == 1


def test_other_libraries_than_at_training_are_logged_not_refused(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    libraries = running_libraries() | {"numpy": "1.0.0"}
    tag = register(store, make_card=lambda tag: card(tag, libraries=libraries)).card.tag

    with caplog.at_level(logging.WARNING):
        store.load(tag)

    facts = vars(caplog.records[0])
    assert facts["differing"] == {"numpy": ("1.0.0", running_libraries()["numpy"])}


def test_the_same_libraries_are_not_worth_a_line(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    tag = register(
        store, make_card=lambda tag: card(tag, libraries=running_libraries())
    ).card.tag

    with caplog.at_level(logging.WARNING):
        store.load(tag)
    assert caplog.records == []


def test_a_latest_that_cannot_be_written_does_not_undo_the_version(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    (store.models / "iris" / "latest").mkdir(parents=True)

    with caplog.at_level(logging.WARNING):
        tag = register(store).card.tag

    assert store.verify(tag).card.tag == tag
    assert "BentoML's latest was not moved" in caplog.messages


def test_a_file_where_the_series_should_be_is_one_clear_error(store: Store) -> None:
    store.models.mkdir()
    (store.models / "iris").write_bytes(b"")

    with pytest.raises(StoreUnavailable, match="not registered"):
        register(store)
    assert [path.name for path in store.staging.iterdir()] == [".lock"]
