"""The issuer's public keys: a JSON Web Key Set in a file, or behind an address."""

import json
import logging
import urllib.request
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import jwt

from ekiben.access.loopback import is_loopback
from ekiben.errors import InvalidSettings

log = logging.getLogger(__name__)

REFRESH_SECONDS = 300.0
"""How often keys are fetched again."""
LEAST_SECONDS = 30.0
"""How soon they may be fetched again, however many tokens name an unknown key."""
TIMEOUT_SECONDS = 5.0
MAX_BYTES = 1024 * 1024

Keys = Mapping[str, jwt.PyJWK]


class KeySet:
    """The keys at *location*; `look` blocks and belongs on a thread of its own.

    When the location is away the last keys known stay.
    """

    def __init__(self, location: str, algorithms: tuple[str, ...]) -> None:
        self._location = location
        self._algorithms = algorithms
        self._remote = check_location(location)
        self._seen: object = None
        self._next = self._soonest = float("-inf")
        self.keys: Keys = {}

    def look(self, now: float, *, wanted: bool) -> bool:
        """Read the keys where it is time to, or they are *wanted*; return whether they changed.

        *now* is in seconds of a steady clock.
        """
        if self._remote and not (
            now >= self._next or (wanted and now >= self._soonest)
        ):
            return False
        self._next, self._soonest = now + REFRESH_SECONDS, now + LEAST_SECONDS
        try:
            content = self._fetch() if self._remote else self._read()
            if content is None:
                return False
            keys = read_keys(content, self._algorithms)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            log.warning("no keys of the token issuer", extra={"reason": reason})
            return False
        self.keys = keys
        return True

    def _read(self) -> bytes | None:
        file = Path(self._location)
        found = file.stat()
        seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        if seen == self._seen:
            return None
        self._seen = seen
        return file.read_bytes()

    def _fetch(self) -> bytes | None:
        with _opener.open(self._location, timeout=TIMEOUT_SECONDS) as answer:
            content: bytes = answer.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError("the key set is too large")
        if content == self._seen:
            return None
        self._seen = content
        return content


def read_keys(content: bytes, algorithms: tuple[str, ...]) -> Keys:
    """Return the usable keys of a key set by id; others, such as secret ones, are left out.

    Raises:
        ValueError: it is no key set.
    """
    document = json.loads(content)
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("no JSON Web Key Set")
    found = ((one, _key(one)) for one in document["keys"] if isinstance(one, dict))
    return {
        one["kid"]: key
        for one, key in found
        if key is not None and key.algorithm_name in algorithms
    }


def _key(fields: dict[str, Any]) -> jwt.PyJWK | None:
    if not isinstance(fields.get("kid"), str) or fields.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK(fields)
    except jwt.PyJWTError:
        return None


def check_location(location: str) -> bool:
    """Return whether *location* is an address, not a file.

    Raises:
        InvalidSettings: it is an address that others on the way could answer for, or
            a file that is not there.
    """
    parts = urlsplit(location)
    if parts.scheme == "https" or (
        parts.scheme == "http" and is_loopback(parts.hostname or "")
    ):
        return True
    if parts.scheme:
        raise InvalidSettings("EKIBEN_JWT_JWKS: neither a file nor an https address")
    if not Path(location).is_file():
        raise InvalidSettings("EKIBEN_JWT_JWKS: there is no such file")
    return False


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An issuer's address answers itself: a redirect could leave TLS."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects)
