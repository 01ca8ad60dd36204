"""What `verify` finds, and what `prune` leaves alone."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ekiben import upkeep
from ekiben.errors import LogUnavailable
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.store import Store
from tests.tiny import promote_in, register, trained

VERSIONS = ("v1", "v2", "v3", "v4", "v5")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerDatabase]:
    with LedgerDatabase.opened(f"sqlite:///{tmp_path}/ledger.db") as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Five versions of iris, v1 the oldest."""
    store = Store.at(tmp_path)
    for minutes, version in enumerate(VERSIONS):
        register(store, version=version, make_card=trained(minutes))
    return store


def promote(store: Store, ledger: LedgerDatabase, *versions: str) -> None:
    for version in versions:
        tag = f"iris:{version}"
        promote_in(ledger, tag, store.manifest(tag).digest)


def prune(store: Store, ledger: LedgerDatabase, keep: int) -> list[str]:
    return upkeep.prune(["iris"], store=store, ledger=ledger, keep=keep)


def faults(store: Store, ledger: LedgerDatabase) -> tuple[str, ...]:
    return upkeep.verify(store, ledger, ["iris"]).faults


def test_all_is_sound(store: Store, ledger: LedgerDatabase) -> None:
    promote(store, ledger, "v1", "v2")

    found = upkeep.verify(store, ledger, ["iris", "spam"])

    assert (found.events, found.versions, found.faults) == (2, 5, ())
    assert found.head == ledger.verified().head.hash


def test_one_changed_byte_is_found_and_its_file_is_named(
    store: Store, ledger: LedgerDatabase
) -> None:
    path = store.models / "iris" / "v3" / "saved_model.pkl"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    assert faults(store, ledger) == (
        "iris:v3 refused: saved_model.pkl has another sha256",
    )


def test_a_changed_event_is_found_and_named(
    store: Store, ledger: LedgerDatabase, tmp_path: Path
) -> None:
    promote(store, ledger, "v1", "v2")
    with sqlite3.connect(tmp_path / "ledger.db") as past:
        past.execute("DROP TRIGGER ledger_event_changed")
        past.execute("UPDATE ledger_event SET actor = 'eve' WHERE sequence = 2")

    assert faults(store, ledger) == ("ledger event 2 was changed: its hash is wrong",)


def test_production_and_the_version_before_must_be_there(
    store: Store, ledger: LedgerDatabase
) -> None:
    promote(store, ledger, "v1", "v2", "v3")
    for version in ("v1", "v2"):
        store.remove(f"iris:{version}")

    assert faults(store, ledger) == ("no model 'iris:v2' in the store",)


def test_an_artefact_under_a_promoted_tag_that_is_another_one_is_found(
    store: Store, ledger: LedgerDatabase
) -> None:
    promote_in(ledger, "iris:v1", "another digest")

    assert faults(store, ledger) == (
        "iris:v1 refused: it is not the artefact that was promoted",
    )


def test_what_was_never_registered_is_found(
    store: Store, ledger: LedgerDatabase
) -> None:
    (store.models / "iris" / "odd").mkdir()

    assert faults(store, ledger) == ("iris:odd refused: manifest.json is missing",)


def test_prune_keeps_production_what_rollbacks_go_to_and_the_newest(
    store: Store, ledger: LedgerDatabase
) -> None:
    promote(store, ledger, "v1", "v2", "v3")

    assert prune(store, ledger, keep=1) == ["iris:v1", "iris:v4"]
    assert store.tags("iris") == ["iris:v2", "iris:v3", "iris:v5"]
    assert faults(store, ledger) == ()
    assert prune(store, ledger, keep=1) == []


def test_a_version_stays_as_long_as_the_log_holds_what_it_answered(
    store: Store, ledger: LedgerDatabase
) -> None:
    """Else the answers could be neither replayed nor explained."""
    promote(store, ledger, "v1", "v2", "v3")
    log = {"iris:v1"}

    def pruned() -> list[str]:
        return upkeep.prune(
            ["iris"], store=store, ledger=ledger, keep=1, logged=lambda _: log
        )

    assert pruned() == ["iris:v4"]
    log.clear()
    assert pruned() == ["iris:v1"]


def test_what_the_log_cannot_tell_removes_nothing(
    store: Store, ledger: LedgerDatabase
) -> None:
    def away(use_case: str) -> set[str]:
        raise LogUnavailable("away")

    promote(store, ledger, "v1", "v2", "v3")

    with pytest.raises(LogUnavailable):
        upkeep.prune(["iris"], store=store, ledger=ledger, keep=1, logged=away)
    assert len(store.tags("iris")) == len(VERSIONS)


def test_a_dry_run_only_tells(store: Store, ledger: LedgerDatabase) -> None:
    promote(store, ledger, "v1")

    told = upkeep.prune(["iris"], store=store, ledger=ledger, keep=2, dry_run=True)

    assert told == ["iris:v2", "iris:v3"]
    assert len(store.tags("iris")) == len(VERSIONS)


def test_what_is_not_sound_is_kept_for_who_looks_into_it(
    store: Store, ledger: LedgerDatabase
) -> None:
    (store.models / "iris" / "v1" / "manifest.json").write_text("{}")

    assert "iris:v1" not in prune(store, ledger, keep=1)
    assert (store.models / "iris" / "v1").is_dir()


def test_the_version_that_a_server_keeps_warm_is_never_pruned(
    store: Store, ledger: LedgerDatabase
) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        prune(store, ledger, keep=0)
