"""A roll-out: never fewer replicas than before, nothing unfit gets a request, and any state is repaired."""

from copy import deepcopy
from pathlib import Path

import pytest

from ekiben.errors import ReplicaFailed
from tests.unit.packaging.hosts import (
    ENDS,
    GOOD,
    NEVER,
    WRONG,
    Host,
    Killed,
    make_host,
    make_revision,
    revisions_of,
    rollout,
)

A, B = make_revision(1), make_revision(2)


def deployed(place: Path, b: str = GOOD, count: int = 2) -> Host:
    """Return a host with A on *count* replicas, where B behaves as *b* says."""
    host = make_host(place, {1: GOOD, 2: b}, count)
    rollout(host).converge(A)
    host.answering.clear()
    return host


def test_replicas_are_replaced_one_by_one_and_never_fewer_than_before(
    tmp_path: Path,
) -> None:
    host = deployed(tmp_path)

    models = rollout(host).converge(B)

    assert models == {"iris": "iris:v2"}
    assert revisions_of(host) == [2, 2]
    assert min(host.answering) == 2
    assert max(host.answering) == 3


@pytest.mark.parametrize(
    ("b", "reason"),
    [
        pytest.param(WRONG, "iris:v2 answers golden row 0 wrong", id="wrong"),
        pytest.param(NEVER, "503 not_ready: iris: refused", id="never-ready"),
        pytest.param(ENDS, "ended: no such setting", id="ends"),
    ],
)
def test_what_is_not_fit_gets_no_request_and_is_gone(
    tmp_path: Path, b: str, reason: str
) -> None:
    host = deployed(tmp_path, b)
    before = dict(host.servers)

    with pytest.raises(ReplicaFailed, match=reason):
        rollout(host).converge(B)

    assert host.servers == before
    assert host.exposed == {1}
    assert min(host.answering) == 2


def test_what_turns_wrong_half_way_is_undone(tmp_path: Path) -> None:
    host = deployed(tmp_path)
    rolling = rollout(host)
    real = rolling.check_of
    checked: list[int] = []

    def second_is_wrong(revision):  # type: ignore[no-untyped-def]
        checked.append(revision.number)
        if checked == [2, 2]:
            host.behaviour[2] = WRONG
        return real(revision)

    rolling.check_of = second_is_wrong
    with pytest.raises(ReplicaFailed):
        rolling.converge(B)
    assert revisions_of(host) == [1, 2]

    rolling.converge(A)

    assert revisions_of(host) == [1, 1]
    assert min(host.answering) == 2


@pytest.mark.parametrize("count", [1, 3])
def test_the_number_of_replicas_follows_what_is_asked_for(
    tmp_path: Path, count: int
) -> None:
    host = deployed(tmp_path)
    assert host.written
    host.written = host.written.model_copy(update={"count": count})

    rollout(host).converge(A)
    assert revisions_of(host) == [1] * count
    rollout(host).converge(B)

    assert revisions_of(host) == [2] * count
    assert min(host.answering) >= min(2, count)


def test_a_replica_that_nobody_keeps_is_kept_again(tmp_path: Path) -> None:
    host = deployed(tmp_path)
    host.kept.clear()
    host.servers.clear()

    rollout(host, wait=1).converge(A)

    assert len(host.kept) == 2
    assert revisions_of(host) == [1, 1]


@pytest.mark.parametrize("goal", [A, B], ids=["back", "on"])
def test_a_deploy_killed_at_any_step_is_repaired_by_the_next(
    tmp_path: Path, goal: object
) -> None:
    killed, before = 0, deployed(tmp_path)
    for steps in range(200):
        host = deepcopy(before)
        host.steps_left = steps
        try:
            rollout(host).converge(B)
        except Killed:
            killed += 1
        else:
            break
        host.steps_left = None

        rollout(host).converge(goal)  # type: ignore[arg-type]

        assert host.written
        assert revisions_of(host) == [goal.number] * 2  # type: ignore[attr-defined]
        assert {one.state for one in host.written.replicas} == {"live"}
        assert {one.port for one in host.written.replicas} == set(host.servers)
        assert min(host.answering) >= 2
    assert killed > 20, "no step was left to be killed at"


def test_ending_leaves_nothing(tmp_path: Path) -> None:
    host = deployed(tmp_path)

    rollout(host).end()

    assert host.servers == {}
    assert host.written
    assert host.written.replicas == ()
