"""What is told of drift: `ekiben drift --json`, its page, and the metrics."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from ekiben.schemas.model_card import Record

Verdict = Literal["none", "watch", "drifted", "not enough rows", "no reference"]
PartVerdict = Literal["none", "watch", "drifted", "not computed"]


class Shares(Record):
    """A distribution then and now, as shares of rows in each cell."""

    names: tuple[str, ...] = Field(description="The cells' names, none for numbers.")
    edges: tuple[float, ...] = Field(
        description="Where the cells of numbers begin, and where the last one ends."
    )
    reference: tuple[float, ...]
    current: tuple[float, ...]


class SignalDrift(Record):
    """One thing that can drift of a field or of the prediction."""

    signal: str = Field(
        description="value, missing, length, out-of-vocabulary words; "
        "of the prediction label and probability."
    )
    verdict: PartVerdict
    reason: str = Field(default="", description="Why it was not computed.")
    reference_rows: int
    current_rows: int
    psi: float | None = Field(
        default=None, description="Population stability index: the size of the shift."
    )
    test: str | None = None
    statistic: float | None = None
    p: float | None = None
    corrected_p: float | None = Field(
        default=None, description="Corrected for all that was tested (Holm)."
    )
    words: str = Field(default="", description="What it was, and what it is now.")
    never_seen: dict[str, int] = Field(
        default_factory=dict,
        description="Categories that training has not seen, and their rows.",
    )
    shares: Shares | None = None


class PartDrift(Record):
    """One field of the row, or the prediction."""

    name: str
    kind: str
    verdict: PartVerdict
    withheld: int = Field(
        default=0, description="Rows of which the log does not keep the field."
    )
    psi: float | None = Field(default=None, description="The largest of its signals.")
    signals: tuple[SignalDrift, ...]


class Drift(Record):
    """How far the rows that a version answers are from those it was made from."""

    use_case: str
    tag: str
    since: datetime
    until: datetime
    verdict: Verdict
    words: str
    explained_by: tuple[str, ...] = Field(
        description="The fields that drifted, the largest shift first."
    )
    watched: tuple[str, ...] = Field(
        description="Fields that are surely not as they were, though by little."
    )
    not_computed: tuple[str, ...] = Field(description="What cannot be told, and why.")
    rows_answered: int
    rows_compared: int
    reference_rows: int
    fields: tuple[PartDrift, ...]
    prediction: PartDrift | None
