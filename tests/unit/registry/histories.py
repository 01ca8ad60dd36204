"""Ledgers for tests: by a list of tags, or drawn at random."""

from datetime import datetime, timedelta

from hypothesis import strategies as st

from ekiben.errors import AlreadyProduction, NothingToRollBack
from ekiben.registry.events import Grounds
from ekiben.registry.ledger import Ledger
from tests.tiny import NOON

WHO = Grounds(actor="ada", reason="a test")
NAMES = ("iris", "spam")
VERSIONS = ("a", "b", "c", "d")


def promoted(
    ledger: Ledger, tag: str, at: datetime = NOON, digest: str | None = None
) -> Ledger:
    name = tag.partition(":")[0]
    seen = ledger.last(name)
    return ledger.promote(name, tag, digest or f"of {tag}", WHO, seen=seen, at=at)


def rolled_back(ledger: Ledger, to: str | None = None, at: datetime = NOON) -> Ledger:
    return ledger.rollback("iris", WHO, seen=ledger.last("iris"), at=at, to=to)


def after(*tags: str) -> Ledger:
    ledger = Ledger()
    for tag in tags:
        ledger = promoted(ledger, tag)
    return ledger


def live(ledger: Ledger, name: str = "iris") -> str | None:
    production = ledger.production(name)
    return production.tag if production else None


@st.composite
def histories(draw: st.DrawFn) -> Ledger:
    """Draw a ledger of two use cases; its clock may be set back now and then."""
    ledger, at = Ledger(), NOON
    for _ in range(draw(st.integers(1, 12))):
        at += timedelta(milliseconds=draw(st.integers(-2000, 5000)))
        name = draw(st.sampled_from(NAMES))
        version = draw(st.sampled_from(VERSIONS))
        seen = ledger.last(name)
        action = draw(st.sampled_from(("promote", "promote", "rollback", "reject")))
        try:
            if action == "promote":
                ledger = promoted(ledger, f"{name}:{version}", at)
            elif action == "rollback":
                ledger = ledger.rollback(name, WHO, seen=seen, at=at)
            else:
                ledger = ledger.reject(name, WHO, seen=seen, at=at)
        except (AlreadyProduction, NothingToRollBack):
            continue
    return ledger
