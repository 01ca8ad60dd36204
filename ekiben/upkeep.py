"""Checks every version against the ledger, and removes those that nobody needs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ekiben.errors import ArtefactRefused, CorruptLedger, UnknownModel
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.ledger import Ledger, Production
from ekiben.registry.local import LocalRollback
from ekiben.registry.store import Store


@dataclass(frozen=True)
class Verified:
    """What was checked, and one line for each event and version that is not sound."""

    events: int
    head: str
    versions: int
    faults: tuple[str, ...]


def verify(
    store: Store,
    ledger: LedgerDatabase,
    use_cases: Sequence[str],
    local: Mapping[str, LocalRollback] = MappingProxyType({}),
) -> Verified:
    """Check the chain, every stored version, and that production and the one before
    are there; older ones may have been pruned. What pinned servers of this host were
    ordered, *local*, is to be in the ledger, too.

    Raises:
        LedgerUnavailable, StoreUnavailable: there is nothing to be checked.
    """
    faults: list[str] = []
    try:
        known = ledger.verified()
    except CorruptLedger as error:
        faults.append(str(error))
        known = Ledger()
    names = dict.fromkeys((*use_cases, *known.use_cases()))
    digests = {
        event.to_tag: event.digest for name in names for event in known.history(name)
    }
    needed = [event.to_tag for name in names for event in known.line(name)[-2:]]
    stored = [tag for name in names for tag in store.entries(name)]
    tags = list(dict.fromkeys((*needed, *stored)))
    for tag in tags:
        faults += _fault(store, tag, digests.get(tag))
    for name, order in local.items():
        faults += _untold(name, order, known.production(name))
    return Verified(known.head.sequence, known.head.hash, len(tags), tuple(faults))


def _fault(store: Store, tag: str, digest: str | None) -> list[str]:
    try:
        found = store.verify(tag).digest
    except (UnknownModel, ArtefactRefused) as error:
        return [str(error)]
    if digest not in (None, found):
        return [str(ArtefactRefused(tag, "it is not the artefact that was promoted"))]
    return []


def _untold(
    use_case: str, order: LocalRollback, production: Production | None
) -> list[str]:
    """Say that the ledger still has what this host was ordered back from."""
    if order.tag in (None, order.pin) or not production or production.tag != order.pin:
        return []
    return [
        f"{order.tag} answers {use_case} on this host ({order.grounds}), the ledger has "
        f"{production.tag}: ekiben rollback {use_case} --to {order.tag}"
    ]


def removable(
    use_case: str,
    ledger: Ledger,
    store: Store,
    *,
    keep: int,
    logged: Callable[[str], Collection[str]],
) -> list[str]:
    """Return the versions that may go, oldest first.

    Kept are production, the *keep* versions that rollbacks would go to first, the
    *keep* that were trained last, those by which answers in the log were given, as
    *logged* tells of a use case, and whatever is not sound: `verify` names it.
    """
    if keep < 1:
        raise ValueError("a server keeps the version before warm: keep at least 1")
    standing = [event.to_tag for event in ledger.line(use_case)]
    trained = store.tags(use_case)
    needed = {*standing[-keep - 1 :], *trained[-keep:]}
    old = [tag for tag in trained if tag not in needed]
    # The log is long: it is looked through only where something would go.
    answered = logged(use_case) if old else ()
    return [tag for tag in old if tag not in answered]


def prune(
    use_cases: Sequence[str],
    *,
    store: Store,
    ledger: LedgerDatabase,
    keep: int,
    logged: Callable[[str], Collection[str]] = lambda use_case: (),
    dry_run: bool = False,
) -> list[str]:
    """Remove what is `removable` and return it; a *dry_run* removes nothing.

    Raises:
        CorruptLedger, and what *logged* raises: it cannot be known what is needed.
    """
    with store.kept():
        known = ledger.verified()
        tags = [
            tag
            for name in use_cases
            for tag in removable(name, known, store, keep=keep, logged=logged)
        ]
        for tag in () if dry_run else tags:
            store.remove(tag)
    return tags
