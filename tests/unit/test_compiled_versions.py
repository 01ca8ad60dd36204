"""Versions with plain files in the store: never unpickled, never served when a byte differs."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from ekiben import upkeep
from ekiben.compiled.artefact import Artefact, pack, unpack
from ekiben.compiled.tree import ARRAYS, compile_tree
from ekiben.datasets import Table, load
from ekiben.errors import ArtefactRefused
from ekiben.predictor import load_predictor
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.exchange import pull, push
from ekiben.registry.manifest import Manifest
from ekiben.registry.remote import RemoteStore
from ekiben.registry.store import Store
from ekiben.training import train
from ekiben.use_cases.catalog import get_use_case
from ekiben.use_cases.use_case import UseCase
from tests.tiny import ledger_url

pytestmark = pytest.mark.models

IRIS = get_use_case("iris")
COMPILED = ("compiled/form.json", "compiled/tree.npz")


class Trapped(DecisionTreeClassifier):  # type: ignore[misc]
    """What raises when it is unpickled."""

    def __reduce__(self) -> Any:
        return exec, ("raise RuntimeError('unpickled')",)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    cache = tmp_path_factory.mktemp("downloads")
    return load(IRIS.dataset, cache=cache, offline=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path)


@pytest.fixture
def registered(store: Store, table: Table) -> Callable[..., Manifest]:
    def register(use_case: UseCase = IRIS) -> Manifest:
        return train(
            use_case,
            table,
            store,
            now=lambda: datetime.now(UTC),
            clock=time.perf_counter,
        )

    return register


def again(store: Store, like: Manifest, **changed: Any) -> str:
    """Register the version *like* anew with parts of it changed."""
    _, files = store.read(like.card.tag)
    facts = changed.pop("card", {})
    asked = {
        "golden": like.golden,
        "extras": {name: one for name, one in files.items() if "/" in name},
    } | changed
    manifest = store.register(
        "iris",
        asked.pop("estimator", None) or store.load(like.card.tag).estimator,
        make_card=lambda tag: like.card.model_copy(update={"tag": tag} | facts),
        **asked,
    )
    return manifest.card.tag


def ask(store: Store, tag: str) -> Any:
    predictor = load_predictor(store, IRIS, tag)
    rows = np.random.default_rng(0).uniform(0, 8, size=(200, 4))
    return predictor.score(rows)


def shifted(pipeline: Any) -> Artefact:
    """Compile *pipeline* wrongly: its thresholds a little higher."""
    right = compile_tree(pipeline)
    arrays = unpack(right.files[ARRAYS])
    arrays["threshold"] = arrays["threshold"] + 0.05
    return replace(right, files={ARRAYS: pack(arrays)})


def test_training_registers_the_files_and_the_verdict(
    store: Store, registered: Callable[..., Manifest]
) -> None:
    manifest = registered()

    assert set(COMPILED) <= set(manifest.files)
    assert manifest.format == 2
    assert manifest.card.compiled is not None
    assert manifest.card.compiled.serves == "compiled"
    assert store.manifest(manifest.card.tag) == manifest


def test_a_version_with_files_is_never_unpickled(
    store: Store, registered: Callable[..., Manifest]
) -> None:
    sound = registered()
    trapped = again(store, sound, estimator=Trapped())

    assert np.array_equal(ask(store, trapped), ask(store, sound.card.tag))
    with pytest.raises(ArtefactRefused, match="unpickled"):
        store.load(trapped)


def test_the_same_version_without_a_verdict_would_be(
    store: Store, registered: Callable[..., Manifest]
) -> None:
    trapped = again(
        store, registered(), estimator=Trapped(), card={"compiled": None}, extras={}
    )

    with pytest.raises(ArtefactRefused, match="unpickled"):
        ask(store, trapped)


@pytest.mark.parametrize("name", COMPILED)
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda one: one[:-1], id="cut"),
        pytest.param(lambda one: one[:-9] + b"?" + one[-8:], id="changed"),
        pytest.param(lambda one: one + b" ", id="longer"),
        pytest.param(lambda one: b"", id="empty"),
        pytest.param(lambda one: None, id="missing"),
    ],
)
def test_files_that_are_not_as_registered_are_refused_by_name(
    store: Store,
    registered: Callable[..., Manifest],
    name: str,
    spoil: Callable[[bytes], bytes | None],
) -> None:
    tag = registered().card.tag
    path = store.models.joinpath(*tag.split(":")) / name
    spoilt = spoil(path.read_bytes())
    path.unlink() if spoilt is None else path.write_bytes(spoilt)

    with pytest.raises(ArtefactRefused, match=name):
        load_predictor(store, IRIS, tag)
    with LedgerDatabase.opened(ledger_url(store.models.parent)) as ledger:
        found = upkeep.verify(store, ledger, ["iris"]).faults
    assert len(found) == 1
    assert tag in found[0]
    assert name in found[0]


def test_a_verdict_without_its_files_is_refused(
    store: Store, registered: Callable[..., Manifest]
) -> None:
    bare = again(store, registered(), extras={})

    with pytest.raises(ArtefactRefused, match=r"form\.json cannot be read"):
        load_predictor(store, IRIS, bare)


def test_a_form_of_a_newer_ekiben_is_refused_in_words(
    store: Store, registered: Callable[..., Manifest]
) -> None:
    sound = registered()
    _, files = store.read(sound.card.tag)
    described = json.loads(files[COMPILED[0]]) | {"form": "later"}
    extras = {
        COMPILED[0]: json.dumps(described).encode(),
        COMPILED[1]: files[COMPILED[1]],
    }

    with pytest.raises(ArtefactRefused, match="no form 'later' in this Ekiben"):
        load_predictor(store, IRIS, again(store, sound, extras=extras))


def test_sound_files_of_another_model_fail_on_the_golden_rows(
    store: Store, registered: Callable[..., Manifest]
) -> None:
    sound = registered()
    wrong = shifted(store.load(sound.card.tag).estimator).render()

    with pytest.raises(ArtefactRefused, match="golden row"):
        load_predictor(store, IRIS, again(store, sound, extras=wrong))


def test_where_parity_failed_the_estimator_answers_and_not_its_wrong_form(
    store: Store, registered: Callable[..., Manifest]
) -> None:
    def wrong(pipeline: Any) -> Any:
        raise AssertionError("the form that failed was asked")

    sound = registered()
    failed = registered(replace(IRIS, compile=shifted, scorer=wrong))

    assert failed.card.compiled is not None
    assert failed.card.compiled.serves == "native"
    assert "labelled differently" in failed.card.compiled.reason
    assert not any(name.startswith("compiled/") for name in failed.files)
    tag = failed.card.tag
    predictor = load_predictor(store, replace(IRIS, scorer=wrong), tag)
    rows = np.random.default_rng(0).uniform(0, 8, size=(200, 4))
    assert np.array_equal(predictor.score(rows), ask(store, sound.card.tag))


def test_a_version_of_the_first_format_is_served_and_copied_as_it_is(
    store: Store, registered: Callable[..., Manifest], tmp_path: Path
) -> None:
    sound = registered()
    _, files = store.read(sound.card.tag)
    kept = {name: one for name, one in files.items() if name.startswith("evidence/")}
    old = again(store, sound, card={"compiled": None}, extras=kept)
    written = store.models.joinpath(*old.split(":")) / "manifest.json"
    assert b'"compiled"' not in written.read_bytes()

    remote = RemoteStore.at(f"file://{tmp_path}/elsewhere")
    push(store, old, remote)
    other = Store.at(tmp_path / "other")
    manifest, _ = pull(other, old, remote)

    assert manifest.format == 1
    assert np.array_equal(ask(other, old), ask(store, sound.card.tag))
