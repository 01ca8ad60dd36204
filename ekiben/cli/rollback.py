"""`ekiben rollback`: the version before is production again."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ekiben import releases
from ekiben.cli.setting import AsJson, Reason, actor_of, check_known, tell
from ekiben.errors import EkibenError, NothingToRollBack
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import printable
from ekiben.registry.ledger import Ledger
from ekiben.registry.local import LocalRollback, LocalRollbacks
from ekiben.registry.packed import Packed, read_packed
from ekiben.registry.store import Store
from ekiben.settings import Settings

To = Annotated[
    str | None, typer.Option(help="An earlier production version. None: the previous.")
]
Local = Annotated[
    bool,
    typer.Option(
        "--local",
        help="Only the servers of this host, without the ledger. "
        "Pinned servers: from the src folder of their Bento.",
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
        _roll_back_here(use_case, to, reason, settings, as_json=as_json)
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
    use_case: str, to: str | None, reason: str, settings: Settings, *, as_json: bool
) -> None:
    """Order the servers of this host back: the pinned ones, or those that follow."""
    # BentoML's containers say where the Bento is.
    source = (
        Path(os.environ["BENTO_PATH"], "src") if "BENTO_PATH" in os.environ else "."
    )
    packed = read_packed(Path(source))
    order = LocalRollback(
        at=releases.utc_now().isoformat(timespec="seconds"),
        actor=printable(actor_of(settings)),
        reason=printable(reason),
    )
    if settings.releases == "pinned" and packed is None:
        raise EkibenError("there is no Bento here; go to its src folder")
    if packed is None or settings.releases == "follow":
        _order_followers(use_case, to, order, settings, as_json=as_json)
    else:
        _order_pinned(use_case, to, order, packed, settings, as_json=as_json)


def _order_followers(
    use_case: str,
    to: str | None,
    order: LocalRollback,
    settings: Settings,
    *,
    as_json: bool,
) -> None:
    """Let servers that follow the ledger go back before it is there again."""
    if to:
        raise typer.BadParameter(
            "without the ledger there is only the version before; --to needs it, or the "
            "src folder of a Bento"
        )
    check_known(use_case, Ledger())
    LocalRollbacks.at(settings.home).set(use_case, order)
    if as_json:
        facts = {"use_case": use_case, "to_tag": None, "from_tag": None}
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(
        f"the servers of this host that follow the ledger go back to the version of "
        f"{use_case} before; they tell the ledger when it is there"
    )


def _order_pinned(
    use_case: str,
    to: str | None,
    order: LocalRollback,
    packed: Packed,
    settings: Settings,
    *,
    as_json: bool,
) -> None:
    """Let pinned servers answer with the other version that their Bento holds."""
    rollbacks = LocalRollbacks.at(settings.home)
    pin = packed.production.get(use_case)
    now = rollbacks.pinned(use_case, pin) or pin
    others = [one for one in packed.versions(use_case) if one != now]
    tag = releases.resolve(use_case, to, others) if to else next(iter(others), None)
    if tag is None:
        raise NothingToRollBack(use_case)
    rollbacks.set(use_case, replace(order, tag=tag, pin=pin))
    if as_json:
        facts = {"use_case": use_case, "to_tag": tag, "from_tag": now}
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(f"{tag} answers {use_case} on this host, before: {now}")
    if tag != pin:
        typer.echo(f"when the ledger is there: ekiben rollback {use_case} --to {tag}")
