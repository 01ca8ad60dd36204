"""Who asks, and what that entitles to; the one value that all later layers see of a credential."""

from dataclasses import dataclass

from ekiben.access.rates import Rate

PREDICT, FEEDBACK, READ, ADMIN = SCOPES = ("predict", "feedback", "read", "admin")
"""No scope includes another: a key that administers cannot predict."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An identity whose credential was verified; `id` names it in logs, never the secret."""

    id: str
    scopes: frozenset[str]
    use_cases: frozenset[str] | None = None
    """None: every use case."""

    def may_use(self, use_case: str | None) -> bool:
        """Whether *use_case* is on this caller's list; what belongs to none is."""
        return self.use_cases is None or use_case is None or use_case in self.use_cases


ANONYMOUS = Caller("", frozenset(SCOPES))
"""Everybody, where authentication is off."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A caller, until when the credential holds (seconds since 1970), and its limits."""

    caller: Caller
    expires: float
    rate: Rate | None = None
    rows_per_day: int | None = None
