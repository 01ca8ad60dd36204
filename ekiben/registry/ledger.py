"""The ledger of releases: which version was production when, who moved it, and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ekiben.errors import (
    AlreadyProduction,
    ArtefactRefused,
    Conflict,
    NeverProduction,
    NothingToRollBack,
    UnknownModel,
)
from ekiben.registry.events import LEAD, START, Action, Event, Grounds, Head, printable
from ekiben.registry.tags import split_tag

PRODUCTION = "production"


@dataclass(frozen=True)
class Production:
    """The version that answers, since when, and the one that a rollback goes to."""

    tag: str
    digest: str
    since: datetime
    sequence: int
    previous: str | None


@dataclass(frozen=True)
class Ledger:
    """Events in their order, all or those of one use case, and where the chain ends.

    A transition returns a new ledger with one event more, or raises. *seen* is the
    newest event of the use case that whoever decided knew of: `last` of their ledger.
    """

    events: tuple[Event, ...] = ()
    head: Head = START

    def history(self, use_case: str | None = None) -> tuple[Event, ...]:
        """Return the events of one use case or all, oldest first."""
        return tuple(one for one in self.events if use_case in (None, one.use_case))

    def use_cases(self) -> tuple[str, ...]:
        """Return the use cases with events, sorted."""
        return tuple(sorted({one.use_case for one in self.events}))

    def last(self, use_case: str) -> int:
        """Return the sequence of the newest event of *use_case*, 0 before any."""
        return max((one.sequence for one in self.history(use_case)), default=0)

    def line(self, use_case: str) -> tuple[Event, ...]:
        """Return the moves to what a rollback would restore, and to production, last."""
        return line(self.history(use_case))

    def production(self, use_case: str) -> Production | None:
        """Return what answers *use_case*, None before its first promotion."""
        moves = self.history(use_case)
        return _production(moves) if moves else None

    def rejected(self, use_case: str) -> str | None:
        """Return the tag of production when servers reported that it does not load."""
        moves = self.history(use_case)
        newest = moves[-1] if moves else None
        return newest.to_tag if newest and newest.action == "reject" else None

    def promote(
        self,
        use_case: str,
        tag: str,
        digest: str,
        grounds: Grounds,
        *,
        seen: int,
        at: datetime,
        lead: timedelta = LEAD,
    ) -> "Ledger":
        """Make *tag* production, *lead* from now on.

        Raises:
            Conflict: the use case was moved after *seen*.
            UnknownModel: *tag* is no version of the use case.
            AlreadyProduction: it answers already.
            ArtefactRefused: an earlier event knows *tag* by another digest.
        """
        if split_tag(tag)[0] != use_case:
            raise UnknownModel(tag)
        self._check_unmoved(use_case, seen)
        production = self.production(use_case)
        if production and production.tag == tag:
            raise AlreadyProduction(tag)
        for event in self.history(use_case):
            if event.to_tag == tag and event.digest != digest:
                raise ArtefactRefused(tag, "it is not the artefact that was promoted")
        return self._with("promote", use_case, tag, digest, grounds, at, lead)

    def rollback_target(self, use_case: str, to: str | None = None) -> Event:
        """Return the move whose version a rollback restores: the one before, or *to*.

        Raises:
            NothingToRollBack: there is no version before.
            NeverProduction: *to* never answered.
            AlreadyProduction: *to* answers now.
        """
        moves = self.line(use_case)
        if to is None:
            if len(moves) < 2:
                raise NothingToRollBack(use_case)
            return moves[-2]
        if moves and moves[-1].to_tag == to:
            raise AlreadyProduction(to)
        for event in reversed(self.history(use_case)):
            if event.to_tag == to and event.action != "reject":
                return event
        raise NeverProduction(to)

    def rollback(
        self,
        use_case: str,
        grounds: Grounds,
        *,
        seen: int,
        at: datetime,
        to: str | None = None,
    ) -> "Ledger":
        """Go back to the version before, or to one that was production once.

        Raises:
            Conflict: the use case was moved after *seen*.
            NothingToRollBack, NeverProduction, AlreadyProduction: as `rollback_target`.
        """
        self._check_unmoved(use_case, seen)
        target = self.rollback_target(use_case, to)
        return self._with(
            "rollback", use_case, target.to_tag, target.digest, grounds, at
        )

    def reject(
        self, use_case: str, grounds: Grounds, *, seen: int, at: datetime
    ) -> "Ledger":
        """Record that servers cannot load what is production; nothing moves.

        Raises:
            Conflict: the use case was moved, or rejected, after *seen*.
            NothingToRollBack: nothing is production.
        """
        self._check_unmoved(use_case, seen)
        production = self.production(use_case)
        if production is None:
            raise NothingToRollBack(use_case)
        tag, digest = production.tag, production.digest
        return self._with("reject", use_case, tag, digest, grounds, at)

    def _check_unmoved(self, use_case: str, seen: int) -> None:
        newest = self.history(use_case)[-1:]
        if newest and newest[0].sequence != seen:
            raise Conflict(use_case, newest[0].sequence, newest[0].actor)

    def _with(
        self,
        action: Action,
        use_case: str,
        tag: str,
        digest: str,
        grounds: Grounds,
        at: datetime,
        lead: timedelta = LEAD,
    ) -> "Ledger":
        production = self.production(use_case)
        event = Event(
            sequence=self.head.sequence + 1,
            use_case=use_case,
            action=action,
            alias=PRODUCTION,
            from_tag=production.tag if production else None,
            to_tag=tag,
            weight=None,
            actor=printable(grounds.actor),
            reason=printable(grounds.reason),
            forced=grounds.forced,
            report=grounds.report,
            digest=digest,
            created=at.astimezone(UTC),
            effective=at.astimezone(UTC) + lead,
            previous_hash=self.head.hash,
            hash="",
        ).sealed()
        return Ledger((*self.events, event), Head(event.sequence, event.hash))


def line(moves: Iterable[Event]) -> tuple[Event, ...]:
    """Walk the *moves* of one use case and return what production rests on, itself last.

    A promotion is put on top; a rollback takes off what is above its version. One to a
    version that was taken off before puts it on top again.
    """
    found: list[Event] = []
    for event in moves:
        if event.action == "reject":
            continue
        if event.action == "rollback":
            tags = [one.to_tag for one in found]
            if event.to_tag in tags:
                keep = len(tags) - 1 - tags[::-1].index(event.to_tag)
                del found[keep:]
        found.append(event)
    return tuple(found)


def production_at(
    events: Iterable[Event], use_case: str, time: datetime
) -> Production | None:
    """Return what was production of *use_case* at *time*.

    The newest move in effect counts, newest by sequence: clocks may have been set back.
    """
    moves = [one for one in events if one.use_case == use_case]
    while moves and (moves[-1].effective > time or moves[-1].action == "reject"):
        moves.pop()
    return _production(moves) if moves else None


def _production(moves: Sequence[Event]) -> Production | None:
    standing = line(moves)
    if not standing:
        return None
    now = standing[-1]
    previous = standing[-2].to_tag if len(standing) > 1 else None
    return Production(now.to_tag, now.digest, now.effective, now.sequence, previous)
