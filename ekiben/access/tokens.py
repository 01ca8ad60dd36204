"""JSON Web Tokens of an issuer whose public keys are known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from ekiben.access.caller import SCOPES, Caller, Grant

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""All are asymmetric: who can verify a token cannot make one."""
NOT_BEFORE_LEEWAY = 60.0
"""Seconds that the issuer's clock may be ahead of ours. An expiry has none."""
MAX_SUBJECT = 200


@dataclass(frozen=True)
class Terms:
    """What a token has to say to be taken."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]


class Tokens:
    """Verifies tokens with the issuer's *keys* by id; never changes."""

    def __init__(
        self,
        terms: Terms,
        keys: Mapping[str, jwt.PyJWK],
        on_unknown_key: Callable[[], None],
    ) -> None:
        self._terms = terms
        self._keys = keys
        self._on_unknown_key = on_unknown_key

    def find(self, credential: bytes, now: float) -> Grant | None:
        """Return what the token entitles to at *now* (seconds since 1970), None: nothing."""
        try:
            return self._grant(self._claims(credential), now)
        except Exception:
            # Not only PyJWT's own: numbers, nesting and types of a stranger's JSON raise
            # what they like, and none of it is worth more than "no".
            return None

    def _claims(self, credential: bytes) -> Mapping[str, Any]:
        identity = jwt.get_unverified_header(credential)["kid"]
        key = self._keys.get(identity)
        if key is None:
            self._on_unknown_key()
            raise jwt.InvalidKeyError
        return jwt.decode(
            credential,
            key,
            # The key's own algorithm, not that which the token asks for.
            algorithms=[key.algorithm_name],
            issuer=self._terms.issuer,
            audience=self._terms.audience,
            leeway=NOT_BEFORE_LEEWAY,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )

    def _grant(self, claims: Mapping[str, Any], now: float) -> Grant | None:
        expires = float(claims["exp"])
        subject = claims["sub"]
        if not now < expires or not 0 < len(subject) <= MAX_SUBJECT:
            return None
        scopes = frozenset(claims.get("scope", "").split()) & frozenset(SCOPES)
        use_cases = claims.get("use_cases")
        if use_cases is not None:
            use_cases = _names(use_cases)
        return Grant(Caller(f"jwt:{subject}", scopes, use_cases), expires)


def _names(given: object) -> frozenset[str]:
    if isinstance(given, str):
        return frozenset(given.split())
    if isinstance(given, list) and all(isinstance(one, str) for one in given):
        return frozenset(given)
    raise TypeError("use_cases is neither text nor a list of texts")
