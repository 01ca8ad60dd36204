"""Keys and spent rows in SQLite and in PostgreSQL."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from ekiben.access.database import KEEP_DAYS, KeyDatabase
from ekiben.access.keys import Key
from ekiben.access.quotas import Spent
from ekiben.access.rates import Rate
from ekiben.errors import KeyNotLive, UnknownKey
from ekiben.registry.database import LedgerDatabase
from tests.access import NOW, made
from tests.tiny import promote_in

HOUR = timedelta(hours=1)


@pytest.fixture
def keys(url: str) -> Iterator[KeyDatabase]:
    with KeyDatabase.opened(url) as opened:
        yield opened


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({}, id="plain"),
        pytest.param(
            {
                "name": "Größe 'x' \u2028",
                "use_cases": ("iris", "fraud"),
                "rate": Rate(50, 1.0),
                "rows_per_day": 10**12,
                "revoked": NOW,
            },
            id="everything",
        ),
        pytest.param({"expires": None}, id="without-end"),
    ],
)
def test_a_key_is_read_back_as_it_was(keys: KeyDatabase, facts: dict[str, Any]) -> None:
    key, _ = made("predict", "read", **facts)

    keys.add(key)

    assert keys.read_all() == [key]
    assert keys.find(key.id) == key


def test_every_change_moves_the_version(keys: KeyDatabase) -> None:
    first, second = made()[0], made()[0]
    seen = [keys.version()]
    keys.add(first)
    seen.append(keys.version())
    keys.rotate(first.id, second, at=NOW, until=NOW + HOUR)
    seen.append(keys.version())
    keys.revoke(first.id, NOW)
    seen.append(keys.version())

    assert seen == sorted(set(seen))


def test_a_rotated_key_lives_beside_the_new_one_for_the_overlap(
    keys: KeyDatabase,
) -> None:
    old, new = made()[0], made(now=NOW + timedelta(seconds=1))[0]
    keys.add(old)

    found = keys.rotate(old.id, new, at=NOW, until=NOW + HOUR)

    assert found == replace(old, expires=NOW + HOUR)
    assert keys.read_all() == [found, new]


def test_an_overlap_never_prolongs_a_key(keys: KeyDatabase) -> None:
    old = made(life=HOUR)[0]
    keys.add(old)

    assert keys.rotate(old.id, made()[0], at=NOW, until=NOW + 9 * HOUR) == old


@pytest.mark.parametrize("dead", [{"revoked": NOW}, {"expires": NOW}])
def test_a_dead_key_is_not_rotated(keys: KeyDatabase, dead: dict[str, Any]) -> None:
    old, new = made(**dead)[0], made()[0]
    keys.add(old)

    with pytest.raises(KeyNotLive):
        keys.rotate(old.id, new, at=NOW, until=NOW + HOUR)
    assert [one.id for one in keys.read_all()] == [old.id]


def test_a_key_revoked_twice_keeps_its_first_time(keys: KeyDatabase) -> None:
    key = made()[0]
    keys.add(key)
    keys.revoke(key.id, NOW)

    assert keys.revoke(key.id, NOW + HOUR).revoked == NOW


def test_an_unknown_key_is_named(keys: KeyDatabase) -> None:
    with pytest.raises(UnknownKey, match="abcdef"):
        keys.revoke("abcdef", NOW)


def test_workers_that_spend_at_once_lose_no_row(url: str) -> None:
    def spend() -> None:
        with KeyDatabase.opened(url) as database:
            for number in range(20):
                spent = [Spent(name, 20_000, 3, number) for name in ("b", "a", "c")]
                database.spend(spent if number % 2 else spent[::-1])

    workers = [threading.Thread(target=spend) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()

    with KeyDatabase.opened(url) as database:
        assert database.spent_on(20_000) == dict.fromkeys("abc", 4 * 20 * 3)
        assert database.spent_on(20_001) == {}


def test_old_rows_are_forgotten(keys: KeyDatabase) -> None:
    keys.spend([Spent("a", 20_000, 5, 1.0)])
    keys.spend([Spent("a", 20_000 + KEEP_DAYS + 1, 5, 2.0)])

    assert keys.spent_on(20_000) == {}


def test_the_last_use_is_the_latest_that_any_worker_reported(keys: KeyDatabase) -> None:
    keys.spend([Spent("a", 20_000, 0, 50.0)])
    keys.spend([Spent("a", 20_000, 0, 40.0), Spent("a", 20_001, 0, 45.0)])

    assert keys.last_used()["a"].timestamp() == 50.0


def test_a_ledger_of_before_the_keys_is_migrated_and_keeps_its_events(
    url: str,
) -> None:
    with LedgerDatabase.opened(url) as ledger:
        promote_in(ledger, "iris:a")
    back = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with back.begin() as connection:
        for table in ("access_key", "access_version", "access_spent"):
            connection.execute(sa.text(f"DROP TABLE {table}"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    back.dispose()

    with KeyDatabase.opened(url) as keys:
        keys.add(made()[0])
    with LedgerDatabase.opened(url) as ledger:
        assert [one.to_tag for one in ledger.verified().events] == ["iris:a"]


def test_the_table_holds_no_key(keys: KeyDatabase, url: str) -> None:
    key, secret = made()
    keys.add(key)
    past = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with past.connect() as connection:
        rows = connection.execute(sa.text("SELECT * FROM access_key")).all()
    past.dispose()

    assert secret[-43:] not in str(rows)
    assert isinstance(keys.find(key.id), Key)
