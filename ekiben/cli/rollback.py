"""`ekiben rollback`: the version before is production again."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from ekiben import releases
from ekiben.cli.setting import AsJson, Reason, actor_of, check_known, tell
from ekiben.errors import EkibenError, NothingToRollBack
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.local import LocalRollbacks
from ekiben.registry.packed import read_packed
from ekiben.registry.store import Store
from ekiben.settings import Settings

To = Annotated[
    str | None, typer.Option(help="An earlier production version. None: the previous.")
]
Local = Annotated[
    bool,
    typer.Option(
        "--local",
        help="Only the pinned servers of this host, without the ledger; "
        "from the src folder of their Bento.",
    ),
]


def rollback(
    use_case: str,
    to: To = None,
    reason: Reason = "",
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Make the previous production version production again, at once."""
    settings = Settings.from_env()
    if local:
        if reason:
            raise typer.BadParameter("--reason is kept in the ledger; --local has none")
        _roll_back_here(use_case, to, settings, as_json=as_json)
        return
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


def _roll_back_here(
    use_case: str, to: str | None, settings: Settings, *, as_json: bool
) -> None:
    """Let pinned servers answer with the other version that their Bento holds."""
    # BentoML's containers say where the Bento is.
    source = (
        Path(os.environ["BENTO_PATH"], "src") if "BENTO_PATH" in os.environ else "."
    )
    packed = read_packed(Path(source))
    if packed is None:
        raise EkibenError("there is no Bento here; go to its src folder")
    rollbacks = LocalRollbacks.at(settings.home)
    now = rollbacks.read().get(use_case) or packed.production.get(use_case)
    others = [one for one in packed.versions(use_case) if one != now]
    tag = releases.resolve(use_case, to, others) if to else next(iter(others), None)
    if tag is None:
        raise NothingToRollBack(use_case)
    rollbacks.set(use_case, tag)
    if as_json:
        facts = {"use_case": use_case, "to_tag": tag, "from_tag": now}
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(f"{tag} answers {use_case} on this host, before: {now}")
