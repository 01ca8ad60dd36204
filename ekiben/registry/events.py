"""The events of the ledger, sealed in a chain: each hash covers the hash before it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import JsonValue

from ekiben.errors import CorruptLedger
from ekiben.registry.canonical import digest_json

LEAD = timedelta(milliseconds=100)
"""From an event's creation to its effect: longer than the poll of any worker, so that
all of them know of a move before the moment at which they make it together."""

GENESIS = "0" * 64
"""What the first event names as the hash before it."""

TIMES = ("created", "effective")

Action = Literal["promote", "rollback", "reject"]


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """Who decided a move and why; *report* is what the gates found, as JSON."""

    actor: str
    reason: str = ""
    forced: bool = False
    report: JsonValue = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry; its hash covers every other field, the hash before it included."""

    sequence: int
    use_case: str
    action: Action
    alias: str
    from_tag: str | None
    to_tag: str
    weight: float | None
    actor: str
    reason: str
    forced: bool
    report: JsonValue
    digest: str
    """Of the artefact of `to_tag`: its manifest's."""
    created: datetime
    effective: datetime
    previous_hash: str
    hash: str

    def document(self) -> dict[str, JsonValue]:
        """Return all fields as JSON has them."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return found | {name: stamp(found[name]) for name in TIMES}

    def sealed(self) -> "Event":
        """Return the event with the hash of what it says."""
        return replace(self, hash=self._hash())

    @property
    def sound(self) -> bool:
        """Whether the event says what its hash vouches for."""
        try:
            return self.hash == self._hash()
        except (TypeError, ValueError):  # what was put there is no JSON
            return False

    def delay(self, now: datetime) -> timedelta:
        """Return how long to wait until the effect, never longer than was meant.

        A clock that was set back must not keep a rollback waiting.
        """
        return min(
            max(self.effective - now, timedelta()), self.effective - self.created
        )

    def _hash(self) -> str:
        document = self.document()
        del document["hash"]
        return digest_json(document)


@dataclass(frozen=True)
class Head:
    """Where the chain ends."""

    sequence: int = 0
    hash: str = GENESIS


START = Head()


def verify_chain(events: Iterable[Event], head: Head, at: Head = START) -> int:
    """Check every event after *at* and that none is missing up to *head*; return its
    sequence, which is how many there are.

    Raises:
        CorruptLedger: names the first event that is not as it was written.
    """
    for event in events:
        if event.sequence != at.sequence + 1:
            raise CorruptLedger(at.sequence + 1, "is missing")
        if not event.sound:
            raise CorruptLedger(event.sequence, "was changed: its hash is wrong")
        if event.previous_hash != at.hash:
            raise CorruptLedger(event.sequence, "does not follow the one before it")
        at = Head(event.sequence, event.hash)
    check_end(at, head)
    return at.sequence


def check_end(newest: Head, head: Head) -> None:
    """Check that the chain, whose end is *newest*, ends where the *head* says.

    Raises:
        CorruptLedger: names the first event that is missing or does not belong.
    """
    if newest.sequence < head.sequence:
        raise CorruptLedger(newest.sequence + 1, "is missing")
    if newest.sequence > head.sequence:
        raise CorruptLedger(head.sequence + 1, "is beyond the end of the ledger")
    if newest.hash != head.hash:
        raise CorruptLedger(head.sequence, "is not the one that the ledger ends with")


def stamp(time: datetime) -> str:
    """Return *time* as it is kept: UTC, to the microsecond, always as long."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_event(row: Mapping[str, object]) -> Event:
    """Return the event of a *row*, times as `stamp` wrote them; nothing is verified.

    Raises:
        CorruptLedger: a time is none.
    """
    try:
        times = {name: _read_time(row[name]) for name in TIMES}
    except ValueError:
        sequence = row["sequence"]
        number = sequence if isinstance(sequence, int) else 0
        raise CorruptLedger(number, "was changed: a time is none") from None
    return Event(**(dict(row) | times))  # type: ignore[arg-type]


def printable(text: str) -> str:
    """Return *text* in one line, every character that no terminal shows replaced."""
    return "".join(
        one if one.isprintable() else " " if one.isspace() else "\ufffd" for one in text
    )


def _read_time(text: object) -> datetime:
    time = datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    if stamp(time) != text:
        raise ValueError(text)
    return time
