"""From the Authorization header to a grant, remembered so that a hot request pays a digest."""

import hashlib
from typing import Protocol

from ekiben.access.caller import Grant
from ekiben.access.keys import Keyring
from ekiben.errors import Unauthenticated

MAX_HEADER = 8192
"""Bytes; more is refused before anything of it is looked at."""
MAX_KNOWN = 4096
"""Verified credentials that are remembered."""


class Verifier(Protocol):
    """One kind of credential."""

    def find(self, credential: bytes, now: float) -> Grant | None:
        """Return what it entitles to at *now*, None: nothing."""


class Credentials:
    """What opens the server as of now; replaced as a whole when a key is made or revoked.

    Verified credentials are remembered by digest in here, so that they are forgotten
    together with what verified them. For one thread.
    """

    def __init__(self, keys: Keyring, tokens: Verifier | None = None) -> None:
        self._keys = keys
        self._tokens = tokens
        self._known: dict[bytes, Grant] = {}

    def verify(self, authorization: bytes | None, now: float) -> Grant:
        """Return what the header entitles to at *now*, in seconds since 1970.

        Raises:
            Unauthenticated: nothing; it does not say why.
        """
        header = authorization or b""
        if len(header) > MAX_HEADER:
            header = b""
        mark = hashlib.sha256(header).digest()
        known = self._known.get(mark)
        if known is not None and now < known.expires:
            return known
        found = self._look(header, now)
        if found is None:
            raise Unauthenticated
        if len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[mark] = found
        return found

    def _look(self, header: bytes, now: float) -> Grant | None:
        scheme, _, credential = header.partition(b" ")
        if scheme.lower() != b"bearer":
            credential = b""
        if self._tokens is not None and credential.count(b".") == 2:
            return self._tokens.find(credential, now)
        return self._keys.find(credential, now)
