"""What pods have gone back to, told to the ledger: it then says what answers."""

from collections.abc import Mapping

from ekiben import releases
from ekiben.errors import EkibenError
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.store import Store
from ekiben.settings import Settings


def tell_ledger(
    left: Mapping[str, str],
    restored: Mapping[str, str],
    *,
    settings: Settings,
    actor: str,
    reason: str,
) -> dict[str, str]:
    """Roll back in the ledger what answered as *left* and now answers as *restored*.

    Both map a use case to a tag. A use case whose production somebody has moved since is
    left as it is: that is their decision. Return use case to why it was not told.
    """
    refused: dict[str, str] = {}
    for use_case, tag in restored.items():
        if left.get(use_case, tag) == tag:
            continue
        try:
            with LedgerDatabase.opened(settings.ledger_url) as database:
                _tell(database, use_case, left[use_case], tag, settings, actor, reason)
        except EkibenError as error:
            refused[use_case] = str(error)
    return refused


def _tell(
    database: LedgerDatabase,
    use_case: str,
    left: str,
    tag: str,
    settings: Settings,
    actor: str,
    reason: str,
) -> None:
    production = database.verified().production(use_case)
    there = production.tag if production else "nothing"
    if there == tag:
        return
    if production is None or there != left:
        raise EkibenError(f"{there} is production, not {left}")
    releases.rollback(
        use_case,
        store=Store.at(settings.home),
        ledger=database,
        actor=actor,
        reason=reason,
        to=tag,
        move=production.sequence,
    )
