"""Replicas and ledger: where they disagree after a rollback, and how they agree again."""

from collections.abc import Mapping
from dataclasses import dataclass

from ekiben import releases
from ekiben.errors import EkibenError
from ekiben.packaging.deployments import Revision
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.ledger import Ledger
from ekiben.registry.store import Store
from ekiben.settings import Settings


@dataclass(frozen=True)
class Word:
    """What the ledger was told of one use case, or why it was not."""

    use_case: str
    tag: str
    told: bool
    reason: str = ""


def tell_ledger(
    left: Revision, restored: Revision, settings: Settings, actor: str
) -> list[Word]:
    """Roll back in the ledger what a rollback of replicas has taken back.

    Only where the version that was left is production: what somebody has moved since is
    their decision. Replicas that follow the ledger have nothing to tell it.
    """
    if restored.settings.get("EKIBEN_RELEASES") == "follow":
        return []
    reason = f"deploy rolled back from {left.bento} to {restored.bento}"
    return tell_of(left.models, restored.models, settings, actor, reason)


def tell_of(
    left: Mapping[str, str],
    restored: Mapping[str, str],
    settings: Settings,
    actor: str,
    reason: str,
) -> list[Word]:
    """Do the same for what answered as *left* and now answers as *restored*, use case to tag."""
    changed = {
        name: tag for name, tag in restored.items() if left.get(name) not in (None, tag)
    }
    if not changed:
        return []
    try:
        with LedgerDatabase.opened(settings.ledger_url) as database:
            store = Store.at(settings.home)
            return [
                _tell(name, left[name], tag, store, database, actor, reason)
                for name, tag in changed.items()
            ]
    except EkibenError as error:
        return [Word(name, tag, False, str(error)) for name, tag in changed.items()]


def _tell(
    use_case: str,
    left: str,
    tag: str,
    store: Store,
    database: LedgerDatabase,
    actor: str,
    reason: str,
) -> Word:
    production = database.verified().production(use_case)
    if production is None or production.tag != left:
        there = production.tag if production else "nothing"
        return Word(use_case, tag, there == tag, f"production is {there}")
    try:
        releases.rollback(
            use_case,
            store=store,
            ledger=database,
            actor=actor,
            reason=reason,
            to=tag.partition(":")[2],
            move=production.sequence,
        )
    except EkibenError as error:
        return Word(use_case, tag, False, str(error))
    return Word(use_case, tag, True)


def disagreement(models: Mapping[str, str], ledger: Ledger) -> dict[str, str]:
    """Return what is production by the *ledger* and not what answers: use case to tag."""
    found = {name: ledger.production(name) for name in models}
    return {
        name: one.tag for name, one in found.items() if one and one.tag != models[name]
    }
