"""Keys and tokens that tests make up."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from ekiben.access.keys import Key, Pepper, mint
from ekiben.access.tokens import Terms

PEPPER = Pepper(b"pepper of the tests, long enough")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TERMS = Terms("https://issuer.example", "ekiben", ("RS256", "ES256"))


def made(
    *scopes: str,
    now: datetime = NOW,
    life: timedelta | None = timedelta(days=1),
    pepper: Pepper = PEPPER,
    **facts: Any,
) -> tuple[Key, str]:
    """Return a key's record, and the key itself."""
    identity, secret = mint()
    record: dict[str, Any] = {
        "id": identity,
        "name": "",
        "digest": pepper.digest(secret.encode()).hex(),
        "pepper": pepper.mark,
        "scopes": scopes or ("predict",),
        "use_cases": (),
        "created": now,
        "created_by": "a test",
        "expires": now + life if life else None,
    }
    return Key(**(record | facts)), secret


class Issuer:
    """Signs tokens, and publishes its public key."""

    def __init__(self, kid: str = "first") -> None:
        self.kid = kid
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def public(self) -> dict[str, Any]:
        algorithm = jwt.algorithms.RSAAlgorithm
        fields = json.loads(algorithm.to_jwk(self.private.public_key()))
        return {**fields, "kid": self.kid, "alg": "RS256", "use": "sig"}

    def key_set(self) -> str:
        return json.dumps({"keys": [self.public()]})

    def token(self, now: float, *, kid: str | None = None, **claims: Any) -> str:
        """Sign a good token, but for what *claims* change; None leaves one out."""
        whole = {
            "iss": TERMS.issuer,
            "aud": TERMS.audience,
            "sub": "shop",
            "exp": int(now) + 600,
            "scope": "predict",
            **claims,
        }
        kept = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(
            kept, self.private, algorithm="RS256", headers={"kid": kid or self.kid}
        )
