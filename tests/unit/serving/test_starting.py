"""Which version a worker begins with, when it starts in the middle of a move."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ekiben.registry.store import Store
from ekiben.serving.roster import Choice, Roster
from tests.faulty import IRIS, sound

pytestmark = pytest.mark.models

LATER = timedelta(seconds=10)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.at(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def old(store: Store) -> Choice:
    return Choice(sound(store, store.staging).card.tag)


@pytest.fixture(scope="module")
def new(store: Store, old: Choice) -> Choice:
    tag = sound(store, store.staging, seed=1).card.tag
    return Choice(tag, previous=old.tag, fallback=old)


def started(store: Store, choice: Choice) -> Roster:
    roster = Roster([IRIS], lambda: store, lambda _: choice)
    roster.load()
    return roster


def test_it_begins_with_production(store: Store, new: Choice) -> None:
    assert started(store, new).predictor("iris").tag == new.tag


def test_a_version_does_not_answer_before_its_time(
    store: Store, old: Choice, new: Choice
) -> None:
    soon = replace(new, effective=datetime.now(UTC) + LATER, lead=LATER)

    assert started(store, soon).predictor("iris").tag == old.tag


def test_what_a_server_has_rejected_is_not_loaded_into_the_worker(
    store: Store, old: Choice, new: Choice
) -> None:
    roster = started(store, replace(new, rejected=True))

    assert roster.predictor("iris").tag == old.tag
    assert not roster.is_warm("iris", new)


def test_without_a_version_before_it_is_loaded_all_the_same(
    store: Store, new: Choice
) -> None:
    alone = replace(new, previous=None, fallback=None, rejected=True)

    assert started(store, alone).predictor("iris").tag == new.tag
