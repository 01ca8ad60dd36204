"""A key for the length of one roll-out, with which golden predictions are asked for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ekiben.access.database import KeyDatabase
from ekiben.access.keys import Key, mint
from ekiben.access.pepper import pepper_of
from ekiben.errors import LedgerUnavailable
from ekiben.settings import Settings

NAME = "ekiben deploy"
LIFE = timedelta(hours=1)
"""Should it be left over by a deploy that was killed."""


@dataclass
class PassingKey:
    """Made when it is first needed, revoked at the end."""

    settings: Settings
    identity: str | None = None
    secret: str = ""

    @contextmanager
    def lent(self) -> Iterator["PassingKey"]:
        """Give the key for the length of a `with` block."""
        try:
            yield self
        finally:
            # Where the database is away by now, its life ends without us.
            with suppress(LedgerUnavailable):
                self._revoke()

    def headers(self) -> Mapping[str, str]:
        """Return what a request with the key has.

        Raises:
            PepperMissing, PepperUnsafe, LedgerUnavailable: no key can be made.
        """
        if self.identity is None:
            self._make()
        return {"Authorization": f"Bearer {self.secret}"}

    def _revoke(self) -> None:
        if self.identity is not None:
            with KeyDatabase.opened(self.settings.ledger_url) as database:
                database.revoke(self.identity, datetime.now(UTC))

    def _make(self) -> None:
        pepper, now = pepper_of(self.settings), datetime.now(UTC)
        identity, self.secret = mint()
        key = Key(
            id=identity,
            name=NAME,
            digest=pepper.digest(self.secret.encode()).hex(),
            pepper=pepper.mark,
            scopes=("predict",),
            use_cases=(),
            created=now,
            created_by=NAME,
            expires=now + LIFE,
        )
        with KeyDatabase.opened(self.settings.ledger_url) as database:
            database.add(key)
        self.identity = identity
