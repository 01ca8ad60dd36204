"""How versions do on predictions whose labels came back."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ekiben.schemas.model_card import Evaluation, Metric


class Fact(BaseModel):
    """A fact about live traffic."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LabelDelay(Fact):
    """How long labels take to come after their predictions."""

    labels: int = Field(description="Labels that this was measured on.")
    median_seconds: float
    p90_seconds: float


class Cohort(Fact):
    """Which predictions count: those whose labels have had the time to come."""

    since: datetime = Field(description="The oldest prediction that is looked at.")
    until: datetime = Field(description="Later predictions are too young to count.")
    maturity: Literal["measured", "set"] = Field(
        description="Whether the age to count from is the measured 90th percentile of "
        "the label delay, or EKIBEN_MATURITY_SECONDS."
    )
    maturity_seconds: float | None = Field(
        description="The age from which a prediction counts; null: no label came yet."
    )
    complete: bool = Field(
        description="False: only the newest predictions were looked at, `since` says "
        "from when on."
    )
    label_delay: LabelDelay | None


class LiveVersion(Fact):
    """One version in live traffic."""

    model: str
    predictions: int = Field(description="Predictions that count.")
    with_feedback: int
    coverage: float = Field(description="Share of them that have feedback.")
    evaluation: Evaluation | None = Field(
        description="Null: none of them has feedback that fits this use case."
    )


class LiveQuality(Fact):
    """How the versions of one use case do, as of one moment."""

    use_case: str
    computed_at: datetime
    cohort: Cohort
    versions: list[LiveVersion] = Field(description="The one asked last comes first.")


class LiveMeasured(Fact):
    """One version on one group of rows in live traffic."""

    model: str
    predictions: int = Field(description="Predictions of all groups that count.")
    with_feedback: int
    coverage: float = Field(description="Share of them that have feedback.")
    rows: int | None = Field(
        description="Rows of this group with feedback. Null for a class, or no such row."
    )
    metrics: dict[str, Metric]


class LivePerformance(Fact):
    """What is known of live traffic, beside the offline figures."""

    state: Literal["measured", "measuring", "unavailable"] = Field(
        description="`measuring`: ask again in a moment; `unavailable`: the prediction "
        "log cannot be reached."
    )
    computed_at: datetime | None = None
    cohort: Cohort | None = None
    versions: list[LiveMeasured] = []
