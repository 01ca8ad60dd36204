"""What a worker reads of the releases, and how it takes a version back, with a ledger and without."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ekiben.errors import Conflict, StoreUnavailable
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.local import LocalRollbacks
from ekiben.registry.store import Store
from ekiben.serving.roster import Choice
from ekiben.serving.sources import LedgerReleases, PinnedReleases
from tests.tiny import ledger_url, promote, register

SERVER = f"server {socket.gethostname()}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home where iris:a1 was production and iris:b2 is."""
    store = Store.at(tmp_path)
    for version in ("a1", "b2"):
        promote(tmp_path, register(store, version=version))
    return tmp_path


@pytest.fixture
def releases(home: Path) -> LedgerReleases:
    return LedgerReleases(ledger_url(home), lambda: Store.at(home))


@pytest.fixture
def ledger(home: Path) -> Iterator[LedgerDatabase]:
    with LedgerDatabase.opened(ledger_url(home)) as opened:
        yield opened


def chosen(releases: LedgerReleases | PinnedReleases) -> Choice:
    choice = releases.choose("iris")
    assert choice is not None
    return choice


def test_what_was_promoted_is_on_trial_and_knows_what_was_before(
    releases: LedgerReleases,
) -> None:
    choice = chosen(releases)

    assert (choice.tag, choice.previous, choice.sequence) == ("iris:b2", "iris:a1", 2)
    assert choice.on_trial
    assert not choice.rejected
    assert choice.fallback is not None
    assert choice.fallback.tag == "iris:a1"


def test_a_version_that_is_taken_back_is_in_the_ledger_with_who_and_why(
    releases: LedgerReleases, ledger: LedgerDatabase
) -> None:
    judged = chosen(releases)

    releases.roll_back("iris", judged, "12 of 20 failed")
    with pytest.raises(Conflict):
        releases.roll_back("iris", judged, "another worker came to it, too")

    event = ledger.verified().events[-1]
    assert (event.sequence, event.action, event.to_tag) == (3, "rollback", "iris:a1")
    assert (event.actor, event.reason) == (SERVER, "12 of 20 failed")
    assert not chosen(releases).on_trial


def test_a_rejection_is_told_to_whoever_reads_next(
    releases: LedgerReleases, ledger: LedgerDatabase
) -> None:
    releases.reject("iris", "iris:b2", "it crashed")

    with pytest.raises(Conflict):
        releases.reject("iris", "iris:b2", "it crashed here, too")
    assert chosen(releases).rejected
    assert ledger.verified().events[-1].actor == SERVER


def test_pinned_servers_of_a_host_go_back_together_and_stay_there(
    tmp_path: Path,
) -> None:
    local = LocalRollbacks.at(tmp_path)
    pins, previous = {"iris": "iris:b2"}, {"iris": "iris:a1"}
    first, second = (PinnedReleases(pins, previous, local) for _ in range(2))
    judged = chosen(first)
    assert judged.on_trial

    first.roll_back("iris", judged, "it fails")
    with pytest.raises(Conflict):
        second.roll_back("iris", judged, "it fails")

    assert (chosen(second).tag, chosen(second).on_trial) == ("iris:a1", False)
    order = local.read()["iris"]
    assert (order.tag, order.pin) == ("iris:a1", "iris:b2")
    assert (order.actor, order.reason) == (SERVER, "it fails")


def test_an_order_ends_with_the_pin_that_it_was_given_for(tmp_path: Path) -> None:
    local = LocalRollbacks.at(tmp_path)
    ordered = PinnedReleases({"iris": "iris:b2"}, {"iris": "iris:a1"}, local)
    ordered.roll_back("iris", chosen(ordered), "it fails")

    newer = PinnedReleases({"iris": "iris:c3"}, {"iris": "iris:a1"}, local)

    assert chosen(ordered).tag == "iris:a1"
    assert chosen(newer).tag == "iris:c3"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param('{"iris": ', id="torn"),
        pytest.param('["iris"]', id="list"),
        pytest.param('{"iris": "iris:a1"}', id="no-order"),
        pytest.param('{"iris": {"at": "", "actor": "", "x": 1}}', id="unknown-fact"),
        pytest.param(
            '{"iris": {"at": "", "actor": "", "tag": "../x"}}', id="not-a-tag"
        ),
    ],
)
def test_orders_that_nobody_gave_are_told_as_such(tmp_path: Path, content: str) -> None:
    local = LocalRollbacks.at(tmp_path)
    local.path.parent.mkdir()
    local.path.write_text(content)

    with pytest.raises(StoreUnavailable, match=r"local-rollbacks\.json: "):
        local.read()
