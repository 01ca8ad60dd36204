"""Tokens: only the issuer's, for us, now, by a key we know, and never an exception."""

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ekiben.access.caller import Caller
from ekiben.access.credentials import Credentials
from ekiben.access.jwks import (
    LEAST_SECONDS,
    REFRESH_SECONDS,
    KeySet,
    check_location,
    read_keys,
)
from ekiben.access.keys import Keyring
from ekiben.access.tokens import Tokens
from ekiben.errors import InvalidSettings, Unauthenticated
from tests.access import BAD, PEPPER, TERMS, Issuer


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


class Verifying:
    """Tokens of one issuer, and how often an unknown key was asked for."""

    def __init__(self, issuer: Issuer) -> None:
        self.asked = 0
        keys = read_keys(issuer.key_set().encode(), TERMS.algorithms)
        self.tokens = Tokens(TERMS, keys, self._ask)

    def _ask(self) -> None:
        self.asked += 1

    def caller(self, token: str, now: float) -> Caller | None:
        grant = self.tokens.find(token.encode(), now)
        return None if grant is None else grant.caller


@pytest.fixture
def verifying(issuer: Issuer) -> Verifying:
    return Verifying(issuer)


@pytest.fixture
def now() -> float:
    return time.time()


@pytest.mark.parametrize(
    ("claims", "scopes", "use_cases"),
    [
        pytest.param({}, {"predict"}, None, id="plain"),
        pytest.param({"scope": "read openid admin"}, {"read", "admin"}, None, id="two"),
        pytest.param({"scope": None}, set(), None, id="none"),
        pytest.param(
            {"use_cases": ["iris", "spam"]}, {"predict"}, {"iris", "spam"}, id="list"
        ),
        pytest.param(
            {"use_cases": "iris spam"}, {"predict"}, {"iris", "spam"}, id="text"
        ),
        pytest.param({"use_cases": []}, {"predict"}, set(), id="no-use-case-at-all"),
        pytest.param({"aud": ["other", "ekiben"]}, {"predict"}, None, id="audiences"),
    ],
)
def test_scopes_and_use_cases_are_the_claims(
    issuer: Issuer,
    verifying: Verifying,
    now: float,
    claims: dict[str, Any],
    scopes: set[str],
    use_cases: set[str] | None,
) -> None:
    caller = verifying.caller(issuer.token(now, **claims), now)

    listed = None if use_cases is None else frozenset(use_cases)
    assert caller == Caller("jwt:shop", frozenset(scopes), listed)


@pytest.mark.parametrize("bad", BAD)
def test_c37_a_token_that_is_not_in_order_opens_nothing_and_raises_nothing(
    issuer: Issuer, verifying: Verifying, now: float, bad: str
) -> None:
    assert verifying.caller(BAD[bad](issuer, now), now) is None
    assert verifying.caller(issuer.token(now), now) is not None


def test_c37_the_issuers_clock_may_be_a_little_ahead(
    issuer: Issuer, verifying: Verifying, now: float
) -> None:
    assert verifying.caller(issuer.token(now, nbf=now + 58), now) is not None
    assert verifying.caller(issuer.token(now, nbf=now + 62), now) is None


def test_c37_a_token_of_16_kilobytes_is_refused_before_it_is_parsed(
    issuer: Issuer, now: float
) -> None:
    class Watching:
        looked = 0

        def find(self, credential: bytes, now: float) -> None:
            self.looked += 1

    watching = Watching()
    credentials = Credentials(Keyring([], PEPPER), watching)
    token = issuer.token(now, padding="x" * 12_000).encode()
    assert len(token) > 16_000

    with pytest.raises(Unauthenticated):
        credentials.verify(b"Bearer " + token, now)

    assert watching.looked == 0


def test_an_unknown_key_is_asked_for(
    issuer: Issuer, verifying: Verifying, now: float
) -> None:
    verifying.caller(issuer.token(now, kid="second"), now)

    assert verifying.asked == 1


def test_secret_foreign_and_broken_keys_of_a_set_are_left_out(issuer: Issuer) -> None:
    good = issuer.public()
    keys = [
        good,
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"},
        {**good, "kid": "for-encryption", "use": "enc"},
        {**good, "kid": "algorithm-not-taken", "alg": "RS512"},
        {name: value for name, value in good.items() if name != "kid"},
        {"kty": "RSA", "kid": "broken", "n": "", "e": ""},
        "no object",
    ]

    found = read_keys(json.dumps({"keys": keys}).encode(), TERMS.algorithms)

    assert list(found) == ["first"]


def test_a_file_is_read_again_when_it_changes_and_kept_when_it_breaks(
    tmp_path: Path, issuer: Issuer
) -> None:
    file = tmp_path / "keys.json"
    file.write_text(issuer.key_set())
    known = KeySet(str(file), TERMS.algorithms)

    assert known.look(0.0, wanted=False)
    assert not known.look(1.0, wanted=False)
    file.write_text(Issuer("second-key").key_set())
    assert known.look(2.0, wanted=False)
    assert list(known.keys) == ["second-key"]
    file.write_text("no JSON")
    assert not known.look(3.0, wanted=False)
    assert list(known.keys) == ["second-key"]


def test_an_address_is_asked_seldom_however_many_tokens_want_it(
    monkeypatch: pytest.MonkeyPatch, issuer: Issuer
) -> None:
    known = KeySet("http://127.0.0.1:9/keys", TERMS.algorithms)
    fetched: list[float] = []

    def fetch() -> bytes:
        fetched.append(at)
        return issuer.key_set().encode()

    monkeypatch.setattr(known, "_fetch", fetch)
    at = 0.0
    while at < 3 * REFRESH_SECONDS:
        known.look(at, wanted=at < REFRESH_SECONDS)
        at += 0.5

    apart = [later - one for one, later in pairwise(fetched)]
    assert apart[0] == LEAST_SECONDS
    assert apart[-1] == REFRESH_SECONDS
    assert min(apart) >= LEAST_SECONDS


@pytest.mark.parametrize(
    ("location", "remote"),
    [("https://issuer.example/keys", True), ("http://127.0.0.1:1/keys", True)],
)
def test_addresses_are_told_from_files(location: str, remote: bool) -> None:
    assert check_location(location) is remote


@pytest.mark.parametrize(
    "location", ["http://issuer.example/keys", "ftp://a/b", "/no/such/file"]
)
def test_an_address_that_anybody_may_answer_for_is_refused(location: str) -> None:
    with pytest.raises(InvalidSettings, match="EKIBEN_JWT_JWKS"):
        check_location(location)
