"""What the gates say of a candidate, and a comparison of two versions in numbers."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, computed_field

from ekiben.schemas.model_card import Record

GateName = Literal[
    "integrity",
    "libraries",
    "provenance",
    "schema",
    "loading",
    "golden",
    "floors",
    "calibration",
    "regression",
    "slices",
    "latency",
]


class Verdict(Record):
    """What one gate says of a candidate, and the numbers that it rests on."""

    gate: GateName
    passed: bool
    words: str = Field(description="One line for who reads the report.")
    numbers: dict[str, JsonValue] = Field(default_factory=dict)


class HoldoutFacts(Record):
    """Which rows both versions were judged on: the candidate's test rows."""

    rows: int
    seen_by_incumbent: int | None = Field(
        description="How many of them the incumbent has seen; null: cannot be told."
    )
    compared: int = Field(description="Rows that the two versions were compared on.")


class Report(BaseModel):
    """The verdicts of all gates that could be asked, in their order."""

    model_config = ConfigDict(frozen=True)

    use_case: str
    candidate: str
    incumbent: str | None
    holdout: HoldoutFacts | None = None
    verdicts: tuple[Verdict, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def passed(self) -> bool:
        """Whether every gate let the candidate through."""
        return not self.failed

    @computed_field  # type: ignore[prop-decorator]
    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the gates that refused."""
        return tuple(one.gate for one in self.verdicts if not one.passed)

    @property
    def refusals(self) -> tuple[str, ...]:
        """The gates that refused, each with its words."""
        return tuple(
            f"{one.gate} ({one.words})" for one in self.verdicts if not one.passed
        )

    def facts(self) -> JsonValue:
        """Return the report as JSON has it, for the ledger to keep."""
        found: JsonValue = self.model_dump(mode="json")
        return found


class Difference(Record):
    """One metric of two versions on the same rows; null: not defined there."""

    candidate: float | None
    incumbent: float | None
    difference: float | None = Field(description="Candidate less incumbent.")
    low: float | None = Field(description="Lower end of the interval of `difference`.")
    high: float | None


class SliceDifferences(Record):
    """The differences on one part of the rows."""

    rows: int
    metrics: dict[str, Difference]


class CalibrationBin(Record):
    """Rows that were stated about the same probability."""

    rows: int
    stated: float = Field(description="Mean stated probability.")
    observed: float = Field(description="Share of rows that came true.")


class Calibration(Record):
    """How far stated probabilities are from what came true."""

    error: float = Field(description="Expected calibration error, 0 to 1.")
    low: float = Field(description="Lower end of the error's 95 % interval.")
    high: float
    bins: tuple[CalibrationBin, ...]


class Side(Record):
    """One of two compared versions."""

    tag: str
    calibration: Calibration
    scores: tuple[int, ...] = Field(
        description="Rows by stated probability, in twenty equal steps from 0 to 1."
    )
    latency_ms: dict[str, float] = Field(
        description="Rows in a batch -> milliseconds of a call."
    )


class Comparison(BaseModel):
    """Two versions on the same rows."""

    model_config = ConfigDict(frozen=True)

    report: Report
    candidate: Side
    incumbent: Side
    disagreement: float = Field(description="Share of rows answered differently.")
    metrics: dict[str, Difference] = Field(description="The main one first.")
    slices: dict[str, dict[str, SliceDifferences]]
