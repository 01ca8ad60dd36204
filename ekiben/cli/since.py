"""Moments as people write them: so long ago, or a time."""

import re
from datetime import UTC, datetime, timedelta

from ekiben.errors import InvalidDuration

AGO = re.compile(r"(\d{1,6})\s*([smhdw])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment_in(text: str, now: datetime) -> datetime:
    """Return the moment that *text* names: `30d` before *now*, or an ISO time, UTC if it has no zone.

    Raises:
        InvalidDuration: it is neither.
    """
    if found := AGO.fullmatch(text.strip()):
        try:
            return now - timedelta(**{UNITS[found[2]]: int(found[1])})
        except OverflowError:
            raise InvalidDuration(f"{text!r} is before all times") from None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidDuration(
            f"{text!r} is no time; write 30d, 12h, 90m, or 2026-03-01T12:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
