"""Promotion and rollback: what the gates and the artefacts allow, and what is kept."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import JsonValue

from ekiben import releases
from ekiben.errors import (
    AlreadyProduction,
    AmbiguousVersion,
    ArtefactRefused,
    Conflict,
    CorruptLedger,
    EkibenError,
    NothingToRollBack,
    PromotionRefused,
    ReasonMissing,
    RollbackRefused,
    UnknownModel,
)
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import LEAD, Event
from ekiben.registry.store import Store
from tests.tiny import NOON, promote_in, register


@dataclass(frozen=True)
class Verdict:
    """A report of gates."""

    failed: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failed

    def facts(self) -> JsonValue:
        return {"failed": list(self.failed), "latency": float("nan")}


def passing(candidate: str, incumbent: str | None) -> Verdict:
    return Verdict()


def failing(candidate: str, incumbent: str | None) -> Verdict:
    return Verdict(("floors", "slices"), ("floors (low)", "slices (worse)"))


class Desk:
    """A store, its ledger, and an operator called ada."""

    def __init__(self, home: Path, ledger: LedgerDatabase) -> None:
        self.store = Store.at(home)
        self.ledger = ledger

    def register(self, *versions: str) -> None:
        for version in versions:
            register(self.store, version=version)

    def promote(
        self,
        version: str,
        gates: releases.Gates = passing,
        *,
        reason: str = "",
        force: bool = False,
    ) -> Event:
        return releases.promote(
            "iris",
            version,
            store=self.store,
            ledger=self.ledger,
            gates=gates,
            actor="ada",
            reason=reason,
            force=force,
            clock=lambda: NOON,
        )

    def roll_back(self, to: str | None = None) -> Event:
        return releases.rollback(
            "iris", store=self.store, ledger=self.ledger, actor="ada", to=to
        )

    def path(self, version: str) -> Path:
        return self.store.models / "iris" / version

    @property
    def live(self) -> str | None:
        production = self.ledger.verified().production("iris")
        return production.tag if production else None


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with LedgerDatabase.opened(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        yield Desk(tmp_path, ledger)


def test_a_promotion_keeps_who_why_what_and_the_gates_report(desk: Desk) -> None:
    desk.register("a1")

    event = desk.promote("a1", reason="better")

    assert (event.from_tag, event.to_tag) == (None, "iris:a1")
    assert (event.actor, event.reason, event.forced) == ("ada", "better", False)
    assert event.digest == desk.store.verify("iris:a1").digest
    assert event.report == {"failed": [], "latency": None}
    assert (event.created, event.effective - event.created) == (NOON, LEAD)


def test_the_gates_are_given_candidate_and_incumbent(desk: Desk) -> None:
    asked = []

    def gates(candidate: str, incumbent: str | None) -> Verdict:
        asked.append((candidate, incumbent))
        return Verdict()

    desk.register("a1", "b1")
    desk.promote("a1", gates)
    desk.promote("b", gates)

    assert asked == [("iris:a1", None), ("iris:b1", "iris:a1")]


def test_failed_gates_refuse_and_are_named(desk: Desk) -> None:
    desk.register("a1")

    with pytest.raises(PromotionRefused, match=r"floors \(low\); slices") as refusal:
        desk.promote("a1", failing)
    assert refusal.value.failed == ("floors", "slices")
    assert desk.live is None


def test_force_overrides_gates_and_is_recorded_with_their_report(desk: Desk) -> None:
    desk.register("a1")

    with pytest.raises(ReasonMissing):
        desk.promote("a1", failing, force=True, reason=" ")
    event = desk.promote("a1", failing, force=True, reason="hotfix")

    assert event.forced
    assert isinstance(event.report, dict)
    assert event.report["failed"] == ["floors", "slices"]


@pytest.mark.parametrize("force", [False, True])
def test_an_altered_artefact_is_refused_even_by_force(desk: Desk, force: bool) -> None:
    desk.register("a1")
    (desk.path("a1") / "saved_model.pkl").write_bytes(b"other")

    with pytest.raises(ArtefactRefused, match=r"saved_model\.pkl"):
        desk.promote("a1", force=force, reason="please")
    assert desk.live is None


def test_an_artefact_that_is_replaced_during_the_gates_is_refused(desk: Desk) -> None:
    desk.register("a1")

    def replacing(candidate: str, _: str | None) -> Verdict:
        shutil.rmtree(desk.path("a1"))
        register(desk.store, version="a1")
        return Verdict()

    with pytest.raises(ArtefactRefused, match="replaced while"):
        desk.promote("a1", replacing)
    assert desk.live is None


def test_a_move_during_the_gates_is_a_conflict(desk: Desk) -> None:
    desk.register("a1", "b1")

    def overtaken(candidate: str, _: str | None) -> Verdict:
        promote_in(desk.ledger, "iris:b1")
        return Verdict()

    with pytest.raises(Conflict, match="ledger event 1; nothing was changed"):
        desk.promote("a1", overtaken)
    assert desk.live == "iris:b1"


def test_production_is_not_promoted_again(desk: Desk) -> None:
    desk.register("a1")
    desk.promote("a1")

    with pytest.raises(AlreadyProduction):
        desk.promote("a1", failing)


def test_rollback_goes_back_over_verified_versions(desk: Desk) -> None:
    desk.register("a1", "b1")
    desk.promote("a1")
    desk.promote("b1")

    event = desk.roll_back()

    assert (event.action, event.to_tag, event.from_tag) == (
        "rollback",
        "iris:a1",
        "iris:b1",
    )
    assert event.digest == desk.store.verify("iris:a1").digest
    with pytest.raises(NothingToRollBack):
        desk.roll_back()


def gone(path: Path) -> None:
    shutil.rmtree(path)


def altered(path: Path) -> None:
    (path / "saved_model.pkl").write_bytes(b"other")


def registered_anew(path: Path) -> None:
    shutil.rmtree(path)
    register(Store(path.parent.parent, path.parent.parent / "s"), version=path.name)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(gone, "gone from the store", id="gone"),
        pytest.param(altered, r"saved_model\.pkl has", id="altered"),
        pytest.param(registered_anew, "not the artefact that was promoted", id="anew"),
    ],
)
def test_a_rollback_skips_no_version_in_silence(
    desk: Desk, damage: Callable[[Path], None], told: str
) -> None:
    desk.register("a1", "b1", "c1")
    for version in ("a1", "b1", "c1"):
        desk.promote(version)
    damage(desk.path("b1"))

    with pytest.raises(RollbackRefused, match=rf"to iris:b1: .*{told}.*--to"):
        desk.roll_back()
    assert desk.live == "iris:c1"
    assert desk.roll_back(to="a").to_tag == "iris:a1"
    assert desk.live == "iris:a1"


def test_a_ledger_that_was_changed_by_hand_allows_no_move(
    desk: Desk, tmp_path: Path
) -> None:
    desk.register("a1", "b1", "c1")
    desk.promote("a1")
    desk.promote("b1")
    with sqlite3.connect(tmp_path / "ledger.db") as past:
        past.execute("DROP TRIGGER ledger_event_changed")
        past.execute("UPDATE ledger_event SET reason = 'x' WHERE sequence = 1")

    with pytest.raises(CorruptLedger, match="event 1 was changed"):
        desk.promote("c1")
    with pytest.raises(CorruptLedger, match="event 1 was changed"):
        desk.roll_back()
    assert desk.ledger.head_sequence() == 2


def test_a_rollback_of_one_move_is_refused_when_another_came_since(desk: Desk) -> None:
    for version in ("a1", "b2", "c3"):
        desk.register(version)
    desk.promote("a1")
    judged = desk.promote("b2").sequence
    desk.promote("c3")

    def take_back(move: int) -> Event:
        return releases.rollback(
            "iris", store=desk.store, ledger=desk.ledger, actor="server", move=move
        )

    with pytest.raises(Conflict):
        take_back(judged)
    assert desk.live == "iris:c3"
    assert take_back(judged + 1).to_tag == "iris:b2"


def test_a_rejection_is_told_by_the_first_server_only(desk: Desk) -> None:
    desk.register("a1")
    desk.promote("a1")

    def reject() -> Event:
        return releases.reject(
            "iris", "iris:a1", ledger=desk.ledger, actor="server", reason="segfault"
        )

    assert reject().action == "reject"
    with pytest.raises(Conflict):
        reject()
    assert desk.live == "iris:a1"


TAGS = ("iris:abc", "iris:abd", "iris:ab", "iris:x1")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        pytest.param("iris:abc", "iris:abc", id="tag"),
        pytest.param("abd", "iris:abd", id="version"),
        pytest.param("x", "iris:x1", id="prefix"),
        pytest.param("iris:x", "iris:x1", id="prefix-of-a-tag"),
        pytest.param("ab", "iris:ab", id="exact-before-prefix"),
    ],
)
def test_a_version_is_exact_or_an_unambiguous_prefix(given: str, found: str) -> None:
    assert releases.resolve("iris", given, TAGS) == found


@pytest.mark.parametrize(
    ("given", "error"),
    [
        pytest.param("a", AmbiguousVersion, id="several"),
        pytest.param("", UnknownModel, id="empty"),
        pytest.param("iris:", UnknownModel, id="no-version"),
        pytest.param("latest", UnknownModel, id="latest"),
        pytest.param("spam:abc", UnknownModel, id="another-use-case"),
        pytest.param("*", UnknownModel, id="glob"),
        pytest.param("../iris/abc", UnknownModel, id="path"),
        pytest.param("ABC", UnknownModel, id="upper-case"),
    ],
)
def test_a_version_is_never_guessed(given: str, error: type[EkibenError]) -> None:
    with pytest.raises(error):
        releases.resolve("iris", given, TAGS)
