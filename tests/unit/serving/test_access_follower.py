"""A worker's credentials: as new as the database, and as old as they must be when it is away."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ekiben.access.credentials import Credentials
from ekiben.access.database import KeyDatabase
from ekiben.access.jwks import KeySet
from ekiben.access.keys import Pepper
from ekiben.access.quotas import DAY_SECONDS, Quotas
from ekiben.errors import LedgerUnavailable, QuotaExceeded, Unauthenticated
from ekiben.serving.access_follower import IDLE_REPORT_SECONDS, AccessFollower
from tests.access import NOW, PEPPER, TERMS, Issuer, made

SECONDS = NOW.timestamp()
TODAY = int(SECONDS // DAY_SECONDS)


class Door:
    """What a follower keeps up to date."""

    credentials: Credentials | None = None

    def opens(self, secret: str, now: float = SECONDS) -> bool:
        assert self.credentials is not None
        try:
            self.credentials.verify(b"Bearer " + secret.encode(), now)
        except Unauthenticated:
            return False
        return True


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[KeyDatabase]:
    with KeyDatabase.opened(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


class Away:
    """A database that is there only while it is said to be."""

    def __init__(self, database: KeyDatabase) -> None:
        self.database = database
        self.away = False

    def __call__(self) -> KeyDatabase:
        if self.away:
            raise LedgerUnavailable("away")
        return self.database


def following(
    keys: KeyDatabase, *, pepper: Pepper = PEPPER, quotas: Quotas | None = None
) -> tuple[AccessFollower, Door]:
    door = Door()
    follower = AccessFollower(
        lambda: keys, pepper, door, quotas or Quotas(), clock=lambda: SECONDS
    )
    return follower, door


def test_a_new_key_opens_and_a_revoked_one_does_not_after_the_next_look(
    keys: KeyDatabase,
) -> None:
    follower, door = following(keys)
    first, first_secret = made()
    keys.add(first)
    follower.look(0.0)
    assert door.opens(first_secret)

    second, second_secret = made()
    keys.add(second)
    keys.revoke(first.id, NOW)
    follower.look(1.0)

    assert not door.opens(first_secret)
    assert door.opens(second_secret)


def test_a_look_that_finds_nothing_new_leaves_what_is_remembered(
    keys: KeyDatabase,
) -> None:
    follower, door = following(keys)
    follower.look(0.0)
    before = door.credentials

    follower.look(1.0)

    assert door.credentials is before


def test_while_the_database_is_away_known_keys_stay_and_still_expire(
    keys: KeyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower, door = following(keys)
    key, secret = made(life=timedelta(hours=1))
    keys.add(key)
    follower.look(0.0)

    def away(_: KeyDatabase) -> int:
        raise LedgerUnavailable("away")

    monkeypatch.setattr(KeyDatabase, "version", away)
    follower.look(1.0)

    assert door.opens(secret, SECONDS + 3599)
    assert not door.opens(secret, SECONDS + 3600)


def test_without_keys_ever_read_nobody_is_let_in(keys: KeyDatabase) -> None:
    database, door = Away(keys), Door()
    database.away = True
    follower = AccessFollower(database, PEPPER, door, Quotas())

    follower.look(0.0)
    assert door.credentials is None

    database.away = False
    follower.look(1.0)
    assert door.credentials is not None


def test_keys_made_with_another_pepper_are_told_of(
    keys: KeyDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    follower, door = following(keys, pepper=Pepper(b"another pepper, as long as that"))
    key, secret = made()
    keys.add(key)

    follower.look(0.0)

    assert not door.opens(secret)
    assert "another pepper" in caplog.text


def test_rows_that_two_workers_answer_count_for_both(keys: KeyDatabase) -> None:
    ours, theirs = Quotas(), Quotas()
    first, _ = following(keys, quotas=ours)
    second, _ = following(keys, quotas=theirs)
    for one in (first, second):
        one.look(0.0)
    ours.charge("a", 60, 100, SECONDS)
    theirs.charge("a", 40, 100, SECONDS)

    for time in (1.0, 1.5):
        first.look(time)
        second.look(time)

    for quotas in (ours, theirs):
        with pytest.raises(QuotaExceeded):
            quotas.charge("a", 1, 100, SECONDS)
    assert keys.spent_on(TODAY) == {"a": 100}


def test_rows_without_a_quota_wait_for_their_report(keys: KeyDatabase) -> None:
    quotas = Quotas()
    follower, _ = following(keys, quotas=quotas)
    follower.look(0.0)
    quotas.charge("a", 5, None, SECONDS)

    follower.look(IDLE_REPORT_SECONDS - 1)
    assert keys.spent_on(TODAY) == {}
    follower.look(IDLE_REPORT_SECONDS)
    assert keys.spent_on(TODAY) == {"a": 5}


def test_rows_are_not_lost_when_the_database_is_away(
    keys: KeyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    quotas = Quotas()
    follower, _ = following(keys, quotas=quotas)
    follower.look(0.0)
    quotas.charge("a", 60, 100, SECONDS)

    def away(*_: object) -> None:
        raise LedgerUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(KeyDatabase, "spend", away)
        follower.look(1.0)
    quotas.charge("a", 40, 100, SECONDS)
    follower.look(2.0)

    assert keys.spent_on(TODAY) == {"a": 100}


def test_an_issuers_new_key_is_taken_and_what_was_verified_is_forgotten(
    keys: KeyDatabase, tmp_path: Path
) -> None:
    now = datetime.now(UTC).timestamp()
    old, new, file = Issuer("old"), Issuer("new"), tmp_path / "keys.json"
    file.write_text(old.key_set())
    door = Door()
    tokens = (TERMS, KeySet(str(file), TERMS.algorithms))
    follower = AccessFollower(lambda: keys, PEPPER, door, Quotas(), tokens=tokens)
    follower.look(0.0)
    follower.look_at_tokens(0.0)
    assert door.opens(old.token(now), now)
    assert not door.opens(new.token(now), now)

    file.write_text(new.key_set() + " ")
    follower.look_at_tokens(1.0)

    assert not door.opens(old.token(now), now)
    assert door.opens(new.token(now), now)
