"""API keys: how they look, what is kept of them, and how one is told from a guess."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

from ekiben.access.caller import Caller, Grant
from ekiben.access.rates import Rate

PREFIX = "ekb_"
"""Lets scanners of repositories and logs find a key that leaked."""
KEY = re.compile(rb"ekb_([a-z2-7]{12})_[A-Za-z0-9_-]{43}")
ID_CHARACTERS = "abcdefghijklmnopqrstuvwxyz234567"
ID_LENGTH = 12
SECRET_BYTES = 32
NEVER = float("inf")

State = Literal["live", "expired", "revoked"]


@dataclass(frozen=True)
class Pepper:
    """The secret without which the kept digests are worth nothing."""

    secret: bytes

    def digest(self, text: bytes) -> bytes:
        """Return the HMAC-SHA256 of *text*."""
        return hmac.digest(self.secret, text, "sha256")

    @cached_property
    def mark(self) -> str:
        """A few characters that tell two peppers apart and give neither away."""
        return self.digest(b"the mark of this pepper").hex()[:8]


@dataclass(frozen=True)
class Key:
    """What is kept of a key: all but the key."""

    id: str
    name: str
    digest: str
    pepper: str
    """The mark of the pepper that the digest was made with."""
    scopes: tuple[str, ...]
    use_cases: tuple[str, ...]
    """None of them: every use case."""
    created: datetime
    created_by: str
    expires: datetime | None = None
    revoked: datetime | None = None
    rate: Rate | None = None
    rows_per_day: int | None = None

    def state(self, now: datetime) -> State:
        """Return whether it opens anything at *now*."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires and self.expires <= now else "live"

    @cached_property
    def grant(self) -> Grant:
        """What it entitles to while it is live."""
        caller = Caller(
            self.id, frozenset(self.scopes), frozenset(self.use_cases) or None
        )
        until = self.expires.timestamp() if self.expires else NEVER
        return Grant(caller, until, self.rate, self.rows_per_day)


def mint() -> tuple[str, str]:
    """Return a new key's public id, and the key: 256 random bits behind the id."""
    identity = "".join(secrets.choice(ID_CHARACTERS) for _ in range(ID_LENGTH))
    return identity, f"{PREFIX}{identity}_{secrets.token_urlsafe(SECRET_BYTES)}"


@dataclass(frozen=True)
class _Entry:
    digest: bytes
    grant: Grant | None


class Keyring:
    """The keys that open something, looked up by public id; never changes."""

    def __init__(self, keys: Iterable[Key], pepper: Pepper) -> None:
        self._pepper = pepper
        self._entries = {
            key.id.encode(): _Entry(bytes.fromhex(key.digest), key.grant)
            for key in keys
            if key.revoked is None and key.pepper == pepper.mark
        }
        # Compared with where the id is unknown, so that it takes as long as a known one.
        self._nobody = _Entry(hashlib.sha256(secrets.token_bytes()).digest(), None)

    def find(self, credential: bytes, now: float) -> Grant | None:
        """Return what *credential* entitles to at *now* (seconds since 1970), None: nothing.

        Every refusal has the same steps, whatever is wrong with the credential.
        """
        shape = KEY.fullmatch(credential)
        entry = self._entries.get(shape[1] if shape else b"", self._nobody)
        same = hmac.compare_digest(self._pepper.digest(credential), entry.digest)
        if same and entry.grant is not None and now < entry.grant.expires:
            return entry.grant
        return None
