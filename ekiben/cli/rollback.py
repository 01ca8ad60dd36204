"""`ekiben rollback`: the version before is production again."""

from typing import Annotated

import typer

from ekiben import releases
from ekiben.cli.setting import AsJson, Reason, actor_of, check_known, tell
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.store import Store
from ekiben.settings import Settings

To = Annotated[
    str | None, typer.Option(help="An earlier production version. None: the previous.")
]


def rollback(
    use_case: str, to: To = None, reason: Reason = "", as_json: AsJson = False
) -> None:
    """Make the previous production version production again, at once."""
    settings = Settings.from_env()
    with LedgerDatabase.opened(settings.ledger_url) as ledger:
        check_known(use_case, ledger.ledger())
        event = releases.rollback(
            use_case,
            store=Store.at(settings.home),
            ledger=ledger,
            actor=actor_of(settings),
            reason=reason,
            to=to,
        )
    tell(event, as_json=as_json)
