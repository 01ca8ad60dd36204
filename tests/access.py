"""Keys and tokens that tests make up."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
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


def crafted(header: dict[str, Any], claims: dict[str, Any], secret: bytes = b"") -> str:
    """Return a token signed by HMAC with *secret*, whatever its header says."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=")
        for one in (header, claims)
    ]
    signed = b".".join(parts)
    signature = hmac.digest(secret, signed, hashlib.sha256) if secret else b""
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def claims_of(now: float) -> dict[str, Any]:
    return {
        "iss": TERMS.issuer,
        "aud": TERMS.audience,
        "sub": "shop",
        "exp": int(now) + 600,
        "scope": "predict",
    }


def public_pem(issuer: Issuer) -> bytes:
    return issuer.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


BAD: dict[str, Any] = {
    "alg-none": lambda issuer, now: crafted(
        {"alg": "none", "kid": "first"}, claims_of(now)
    ),
    "alg-None": lambda issuer, now: crafted(
        {"alg": "NoNe", "kid": "first"}, claims_of(now)
    ),
    "hs256-with-the-public-key": lambda issuer, now: crafted(
        {"alg": "HS256", "kid": "first"}, claims_of(now), public_pem(issuer)
    ),
    "hs256-without-kid": lambda issuer, now: crafted(
        {"alg": "HS256"}, claims_of(now), public_pem(issuer)
    ),
    "another-issuers-key": lambda issuer, now: Issuer().token(now),
    "wrong-aud": lambda issuer, now: issuer.token(now, aud="another"),
    "no-aud": lambda issuer, now: issuer.token(now, aud=None),
    "wrong-iss": lambda issuer, now: issuer.token(now, iss="https://evil.example"),
    "no-iss": lambda issuer, now: issuer.token(now, iss=None),
    "expired-1-second-ago": lambda issuer, now: issuer.token(now, exp=now - 1),
    "no-exp": lambda issuer, now: issuer.token(now, exp=None),
    "exp-infinite": lambda issuer, now: issuer.token(now, exp=float("inf")),
    "exp-nan": lambda issuer, now: issuer.token(now, exp=float("nan")),
    "exp-list": lambda issuer, now: issuer.token(now, exp=[1]),
    # A busy server looks at it seconds later: the limit itself is in the unit tests.
    "nbf-in-2-minutes": lambda issuer, now: issuer.token(now, nbf=now + 120),
    "no-sub": lambda issuer, now: issuer.token(now, sub=None),
    "empty-sub": lambda issuer, now: issuer.token(now, sub=""),
    "scope-list": lambda issuer, now: issuer.token(now, scope=["predict"]),
    "use-cases-number": lambda issuer, now: issuer.token(now, use_cases=1),
    "unknown-kid": lambda issuer, now: issuer.token(now, kid="second"),
    "kid-list": lambda issuer, now: crafted(
        {"alg": "RS256", "kid": ["first"]}, claims_of(now), b"x"
    ),
    "critical-header": lambda issuer, now: crafted(
        {"alg": "RS256", "kid": "first", "crit": ["exp"]}, claims_of(now), b"x"
    ),
    "nested": lambda issuer, now: "e30." + "W1tb" * 1500 + ".e30",
    "no-base64": lambda issuer, now: "!.!.!",
    "empty-parts": lambda issuer, now: "..",
    "signature-cut": lambda issuer, now: issuer.token(now)[:-8],
    "claims-changed": lambda issuer, now: _swapped(issuer, now),
}


def _swapped(issuer: Issuer, now: float) -> str:
    head, _, signature = issuer.token(now).split(".")
    other = issuer.token(now, scope="admin").split(".")[1]
    return f"{head}.{other}.{signature}"
