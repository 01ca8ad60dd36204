"""The service with a keyring that works longer for ids it knows: what C-35 must notice."""

import hashlib

from ekiben.access.caller import Grant
from ekiben.access.keys import KEY, Keyring
from service import Ekiben

_find = Keyring.find


def _leaky(self: Keyring, credential: bytes, now: float) -> Grant | None:
    shape = KEY.fullmatch(credential)
    if shape and shape[1] in self._entries:
        hashlib.pbkdf2_hmac("sha256", credential, b"salt", 10_000)
    return _find(self, credential, now)


Keyring.find = _leaky  # type: ignore[method-assign]

__all__ = ["Ekiben"]
