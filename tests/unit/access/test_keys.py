"""A key opens what its record says, while it is live, with the pepper it was made with."""

from datetime import timedelta

import pytest

from ekiben.access.caller import Caller
from ekiben.access.credentials import MAX_HEADER, MAX_KNOWN, Credentials
from ekiben.access.keys import KEY, Key, Keyring, Pepper, mint
from ekiben.errors import Unauthenticated
from tests.access import NOW, PEPPER, made

SECONDS = NOW.timestamp()


def test_a_new_key_has_its_public_id_and_256_random_bits() -> None:
    identity, secret = mint()
    other, _ = mint()

    shape = KEY.fullmatch(secret.encode())
    assert shape is not None
    assert shape[1].decode() == identity != other


def test_a_key_is_found_by_itself_only() -> None:
    key, secret = made("predict", "read", use_cases=("fraud",))
    keyring = Keyring([key, made()[0]], PEPPER)

    grant = keyring.find(secret.encode(), SECONDS)

    assert grant is not None
    scopes, use_cases = frozenset(("predict", "read")), frozenset(["fraud"])
    assert grant.caller == Caller(key.id, scopes, use_cases)
    assert keyring.find(secret[:-1].encode() + b"!", SECONDS) is None


def test_the_record_does_not_hold_the_key() -> None:
    key, secret = made()

    assert secret[-43:] not in repr(key)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"revoked": NOW}, id="revoked"),
        pytest.param({"expires": NOW}, id="expired"),
        pytest.param({"digest": "00" * 32}, id="other-secret"),
        pytest.param({"pepper": "00000000"}, id="other-pepper"),
    ],
)
def test_a_key_that_is_not_live_opens_nothing(changed: dict[str, object]) -> None:
    key, secret = made()
    dead = Key(**{**vars(key), **changed})

    assert Keyring([dead], PEPPER).find(secret.encode(), SECONDS) is None


def test_a_key_of_another_environment_opens_nothing() -> None:
    key, secret = made(pepper=Pepper(b"the pepper of another environment"))
    forged = Key(**{**vars(key), "pepper": PEPPER.mark})

    assert Keyring([forged], PEPPER).find(secret.encode(), SECONDS) is None


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic {}",
        b"{}",
        b"Bearer  {}",
        b"Bearer {}x",
        b"Bearer ekb_",
        b"Bearer \xff\xfe",
        b"Bearer " + b"a" * MAX_HEADER,
    ],
)
def test_a_header_that_is_no_bearer_of_a_key_opens_nothing(
    header: bytes | None,
) -> None:
    key, secret = made()
    credentials = Credentials(Keyring([key], PEPPER))

    with pytest.raises(Unauthenticated):
        credentials.verify(header and header.replace(b"{}", secret.encode()), SECONDS)


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER "])
def test_the_scheme_is_read_in_any_case(scheme: bytes) -> None:
    key, secret = made()
    credentials = Credentials(Keyring([key], PEPPER))

    assert credentials.verify(scheme + secret.encode(), SECONDS) is key.grant


def test_what_is_remembered_expires_all_the_same() -> None:
    key, secret = made(life=timedelta(seconds=10))
    credentials = Credentials(Keyring([key], PEPPER))
    header = b"Bearer " + secret.encode()
    credentials.verify(header, SECONDS + 9.9)

    with pytest.raises(Unauthenticated):
        credentials.verify(header, SECONDS + 10)


def test_no_more_is_remembered_than_may_be() -> None:
    class Anything:
        def find(self, credential: bytes, now: float) -> object:
            return made()[0].grant

    credentials = Credentials(Keyring([], PEPPER), Anything())  # type: ignore[arg-type]

    for number in range(MAX_KNOWN + 100):
        credentials.verify(b"Bearer a.b.%d" % number, SECONDS)

    assert len(credentials._known) == MAX_KNOWN


@pytest.mark.parametrize(
    ("use_cases", "asked", "allowed"),
    [
        (None, "fraud", True),
        (frozenset(["fraud"]), "fraud", True),
        (frozenset(["fraud"]), "spam", False),
        (frozenset(["fraud"]), None, True),
    ],
)
def test_a_caller_may_use_what_is_on_its_list(
    use_cases: frozenset[str] | None, asked: str | None, allowed: bool
) -> None:
    assert Caller("a", frozenset(), use_cases).may_use(asked) is allowed


def test_two_peppers_have_two_marks_that_do_not_hold_them() -> None:
    one, other = Pepper(b"a" * 32), Pepper(b"b" * 32)

    assert one.mark != other.mark
    assert len(one.mark) == 8
