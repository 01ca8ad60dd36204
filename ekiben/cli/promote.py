"""`ekiben promote`: a version becomes production, if it passes the gates."""

from typing import Annotated

import typer
from rich.console import Console

from ekiben import releases
from ekiben.cli.catalogue import UseCaseName, gates_of
from ekiben.cli.setting import AsJson, Reason, actor_of, tell
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.store import Store
from ekiben.settings import Settings
from ekiben.use_cases.catalog import get_use_case

Version = Annotated[
    str, typer.Argument(help="A tag, a version, or an unambiguous prefix.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Override failed gates; needs --reason.")
]


def promote(
    use_case: UseCaseName,
    version: Version,
    reason: Reason = "",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a version production, if it passes the gates."""
    settings = Settings.from_env()
    store = Store.at(settings.home)
    with (
        Console(stderr=True).status("checking"),
        LedgerDatabase.opened(settings.ledger_url) as ledger,
    ):
        event = releases.promote(
            use_case,
            version,
            store=store,
            ledger=ledger,
            gates=gates_of(get_use_case(use_case), store, settings),
            actor=actor_of(settings),
            reason=reason,
            force=force,
            lead=settings.promote_lead,
        )
    tell(event, as_json=as_json)
