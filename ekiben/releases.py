"""Promote and roll back: read versions, ask the gates, append to the ledger."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pydantic import JsonValue

from ekiben.errors import (
    AlreadyProduction,
    AmbiguousVersion,
    ArtefactRefused,
    Conflict,
    PromotionRefused,
    ReasonMissing,
    RollbackRefused,
    UnknownModel,
)
from ekiben.registry.canonical import finite
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import LEAD, Event, Grounds
from ekiben.registry.ledger import Ledger
from ekiben.registry.store import Store

Clock = Callable[[], datetime]


class GateReport(Protocol):
    """What the gates found, and whether the candidate may be promoted."""

    @property
    def passed(self) -> bool:
        """Whether no gate failed."""

    @property
    def failed(self) -> Sequence[str]:
        """The names of the gates that failed."""

    @property
    def refusals(self) -> Sequence[str]:
        """The same with the reason of each."""

    def facts(self) -> JsonValue:
        """Return every verdict with its numbers, for the ledger to keep."""


Gates = Callable[[str, str | None], GateReport]
"""Checks the tag of a candidate against the incumbent's; None: there is no incumbent."""


def utc_now() -> datetime:
    """Return the time of this host's clock."""
    return datetime.now(UTC)


def promote(
    use_case: str,
    version: str,
    *,
    store: Store,
    ledger: LedgerDatabase,
    gates: Gates,
    actor: str,
    reason: str = "",
    force: bool = False,
    clock: Clock = utc_now,
    lead: timedelta = LEAD,
) -> Event:
    """Make *version*, an exact one or an unambiguous prefix, production of *use_case*.

    It takes effect after *lead*, in which every server loads it; the first version of
    a use case at once, since nothing else could answer.

    *force* overrides failed gates, never an artefact that is not what was registered.

    Raises:
        PromotionRefused: gates failed, and *force* is not given.
        Conflict: another moved the use case while the gates were at work.
        UnknownModel, AmbiguousVersion, AlreadyProduction, ArtefactRefused,
        ReasonMissing, LedgerUnavailable, CorruptLedger: nothing was changed either.
    """
    if force and not reason.strip():
        raise ReasonMissing
    known = ledger.verified()
    tag = resolve(use_case, version, store.entries(use_case))
    production = known.production(use_case)
    if production and production.tag == tag:
        raise AlreadyProduction(tag)
    digest = store.verify(tag).digest
    report = gates(tag, production.tag if production else None)
    if not report.passed and not force:
        raise PromotionRefused(tag, report.failed, report.refusals)
    facts = finite(report.facts())
    grounds = Grounds(actor=actor, reason=reason, forced=force, report=facts)
    with store.kept():
        if store.verify(tag).digest != digest:
            raise ArtefactRefused(tag, "it was replaced while the gates were at work")
        return ledger.append(
            use_case,
            lambda found: found.promote(
                use_case,
                tag,
                digest,
                grounds,
                seen=known.last(use_case),
                at=clock(),
                lead=lead if production else LEAD,
            ),
        )


def rollback(
    use_case: str,
    *,
    store: Store,
    ledger: LedgerDatabase,
    actor: str,
    reason: str = "",
    to: str | None = None,
    move: int | None = None,
    clock: Clock = utc_now,
) -> Event:
    """Make the previous production version production again, or the earlier one *to*.

    *move* is the event that is to be taken back, for whoever has judged only that.

    Raises:
        RollbackRefused: that version is gone or altered.
        NothingToRollBack, NeverProduction, AlreadyProduction: there is none to go to.
        Conflict: another moved the use case at the same time, or after *move*.
        UnknownModel, AmbiguousVersion, LedgerUnavailable, CorruptLedger.
    """
    known = ledger.verified()
    production = known.production(use_case)
    if move is not None and production and production.sequence != move:
        raise _moved(known, use_case)
    tag = None if to is None else _resolve_former(use_case, to, known, store)
    target = known.rollback_target(use_case, tag)
    grounds = Grounds(actor=actor, reason=reason)
    with store.kept():
        _check_restorable(target, store)
        return ledger.append(
            use_case,
            lambda found: found.rollback(
                use_case,
                grounds,
                seen=known.last(use_case),
                at=clock(),
                to=target.to_tag if to else None,
            ),
        )


def reject(
    use_case: str,
    tag: str,
    *,
    ledger: LedgerDatabase,
    actor: str,
    reason: str,
    clock: Clock = utc_now,
) -> Event:
    """Record that a server cannot load *tag*, which is production; nothing moves.

    Raises:
        Conflict: another said so first, or production was moved since.
    """
    grounds = Grounds(actor=actor, reason=reason)

    def transition(found: Ledger) -> Ledger:
        production = found.production(use_case)
        if not production or production.tag != tag or found.rejected(use_case):
            raise _moved(found, use_case)
        seen = found.last(use_case)
        return found.reject(use_case, grounds, seen=seen, at=clock())

    return ledger.append(use_case, transition)


def resolve(use_case: str, version: str, tags: Collection[str]) -> str:
    """Return the one of *tags* that *version* names: a tag, a version, or a prefix of one.

    An exact one comes first; never the newest of several.

    Raises:
        UnknownModel: none fits.
        AmbiguousVersion: several do.
    """
    given = version.removeprefix(f"{use_case}:")
    tag = f"{use_case}:{given}"
    if tag in tags:
        return tag
    found = sorted(one for one in tags if one.startswith(tag)) if given else []
    if not found:
        raise UnknownModel(version if ":" in version else tag)
    if len(found) > 1:
        raise AmbiguousVersion(version, found)
    return found[0]


def _moved(known: Ledger, use_case: str) -> Conflict:
    newest = known.history(use_case)[-1:]
    actor = newest[0].actor if newest else "nobody"
    return Conflict(use_case, known.last(use_case), actor)


def _resolve_former(use_case: str, to: str, known: Ledger, store: Store) -> str:
    former = {one.to_tag for one in known.history(use_case)}
    return resolve(use_case, to, former | set(store.entries(use_case)))


def _check_restorable(target: Event, store: Store) -> None:
    try:
        digest = store.verify(target.to_tag).digest
    except UnknownModel:
        raise RollbackRefused(target.to_tag, "it is gone from the store") from None
    except ArtefactRefused as error:
        raise RollbackRefused(target.to_tag, error.reason) from None
    if digest != target.digest:
        reason = "it is not the artefact that was promoted"
        raise RollbackRefused(target.to_tag, reason)
