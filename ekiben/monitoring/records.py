"""What is kept of a prediction, and of what turned out to be true."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

HASHED = "hmac-sha256:"
"""What the value of a personal field begins with where only its hash is kept."""
_HASH = re.compile(HASHED + "[0-9a-f]{64}")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Logged:
    """One row that was answered.

    `at` is the time of the answer; `seconds` from the request's entry to its answer, the
    same for all rows of a request; `batch_rows` the rows of the model call.
    `row` is as the client sent it, but for fields that are personal and not kept;
    `answer` is the prediction without its id and model; `caller` the key's id or the
    token's subject, empty for nobody.
    """

    prediction_id: str
    use_case: str
    tag: str
    at: datetime
    row: dict[str, Any]
    answer: dict[str, Any]
    batch_rows: int
    seconds: float
    request_id: str
    caller: str


@dataclass(frozen=True, slots=True)
class Observed:
    """What turned out to be true of one prediction.

    `observed_at` is when it was true, as the client says; `received_at` when it came.
    """

    prediction_id: str
    label: Any
    observed_at: datetime
    received_at: datetime
    caller: str


def is_hash(value: object) -> bool:
    """Whether *value* stands in the log for a personal one of which only the hash is kept."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def microseconds(moment: datetime) -> int:
    """Return the whole microseconds since 1970 of an aware *moment*."""
    return (moment - EPOCH) // MICROSECOND


def moment_of(microseconds: int) -> datetime:
    """Return the moment so many *microseconds* after 1970."""
    return EPOCH + microseconds * MICROSECOND
