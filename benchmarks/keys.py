"""A key for the length of a race, in the database that the raced servers read."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from ekiben.access.caller import PREDICT
from ekiben.access.database import KeyDatabase
from ekiben.access.keys import Key, mint
from ekiben.access.pepper import pepper_of
from ekiben.settings import Settings

LONGEST = timedelta(hours=12)


@contextmanager
def live_key(*, asked: bool) -> Iterator[str]:
    """Give a key that predicts for the length of a `with` block; nothing unless *asked*."""
    if not asked:
        yield ""
        return
    settings, now = Settings.from_env(), datetime.now(UTC)
    pepper = pepper_of(settings)
    identity, secret = mint()
    key = Key(
        id=identity,
        name="benchmark",
        digest=pepper.digest(secret.encode()).hex(),
        pepper=pepper.mark,
        scopes=(PREDICT,),
        use_cases=(),
        created=now,
        created_by="benchmark",
        expires=now + LONGEST,
    )
    with KeyDatabase.opened(settings.ledger_url) as database:
        database.add(key)
        try:
            yield secret
        finally:
            database.revoke(identity, datetime.now(UTC))
