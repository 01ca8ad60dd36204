"""What is deployed on this host and how it is: for whoever asks, while nothing is changed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ekiben.errors import (
    ContainerFailed,
    DeployFailed,
    LedgerUnavailable,
    NoContainerEngine,
)
from ekiben.packaging.agreement import disagreement
from ekiben.packaging.balancer import Balancer
from ekiben.packaging.deployments import Deployment, Place, Replica, RuntimeName, names
from ekiben.packaging.runtimes import Runtime
from ekiben.registry.database import LedgerDatabase
from ekiben.settings import Settings


def look(
    place: Place, state: Deployment, runtimes: Callable[[RuntimeName], Runtime]
) -> dict[str, Any]:
    """Return the facts of one deployment, its replicas asked for their state."""
    balancer = Balancer(place.balancer, state.host, state.port)
    current = next(
        (one for one in state.revisions if one.number == state.current), None
    )
    before = next(
        (one for one in state.revisions if one.number == state.previous), None
    )
    return {
        "name": state.name,
        "address": f"http://{_shown(state.host)}:{state.port}",
        "bento": current.bento if current else None,
        "runtime": current.runtime if current else None,
        "image": current.image if current else None,
        "digest": current.digest if current else None,
        "models": current.models if current else {},
        "revision": state.current,
        "since": state.since.isoformat() if state.since else None,
        "previous": before.bento if before else None,
        "unfinished": state.target is not None,
        "balancer": balancer.kept.pid is not None,
        "wanted": state.count,
        "replicas": [
            _replica(state, one, balancer, runtimes) for one in state.replicas
        ],
    }


def look_at_all(home: Path) -> list[tuple[Place, Deployment]]:
    """Return every deployment of *home*."""
    places = [Place(home, name) for name in names(home)]
    found = [(place, place.read()) for place in places]
    return [(place, state) for place, state in found if state]


def ledger_says(models: Mapping[str, str], settings: Settings) -> dict[str, str] | None:
    """Return what is production and not what answers, None: nobody can say."""
    if not models:
        return {}
    try:
        with LedgerDatabase.opened(settings.ledger_url) as database:
            return disagreement(models, database.ledger())
    except LedgerUnavailable:
        return None


def _replica(
    state: Deployment,
    replica: Replica,
    balancer: Balancer,
    runtimes: Callable[[RuntimeName], Runtime],
) -> dict[str, Any]:
    revision = state.revision(replica.revision)
    return {
        "number": replica.number,
        "bento": revision.bento,
        "port": replica.port,
        "state": replica.state,
        "ready": _is_up(balancer, replica),
        "kept": _is_kept(runtimes, revision.runtime, replica),
        "since": replica.since.isoformat(),
    }


def _is_up(balancer: Balancer, replica: Replica) -> bool:
    try:
        return balancer.is_up(replica.slot)
    except DeployFailed:
        return False


def _is_kept(
    runtimes: Callable[[RuntimeName], Runtime], name: RuntimeName, replica: Replica
) -> bool:
    try:
        return runtimes(name).is_kept(replica)
    except (NoContainerEngine, ContainerFailed):
        return False


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
