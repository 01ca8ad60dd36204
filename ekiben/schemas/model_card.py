"""What is known of a version: its data, its metrics, how it was made. Kept in the manifest, shown as the model card."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Record(BaseModel):
    """A fact that is written once and read back unchanged."""

    # Most are only ever read as parts of others.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class DataCard(Record):
    """Which table a version was trained on."""

    source: str = Field(
        description="Where the table came from: a file name, a URL, or a generator."
    )
    kind: Literal["real", "sample"]
    sha256: str = Field(description="Of the file, or of the generated table as CSV.")
    rows: int = Field(description="Rows left after duplicates were dropped.")
    duplicates_dropped: int
    note: str = Field(default="", description="A caution for who reads the metrics.")


class Metric(Record):
    """One measured figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


class SliceMetrics(Record):
    """The metrics of one part of the test rows."""

    rows: int
    metrics: dict[str, Metric]


class Evaluation(Record):
    """How a version did on its test rows."""

    rows: int
    overall: dict[str, Metric]
    per_class: dict[str, dict[str, Metric]] = Field(
        description="class -> metric -> figure."
    )
    per_slice: dict[str, dict[str, SliceMetrics]] = Field(
        description="slice -> group -> metrics, such as salary -> low."
    )


class Golden(Record):
    """A row and what the version answered when it was registered."""

    row: dict[str, JsonValue]
    prediction: dict[str, JsonValue]


class FileDigest(Record):
    """One file of a version."""

    sha256: str
    bytes: int


class Compiled(Record):
    """Whether a version is served from plain files, and how far they agree with its estimator."""

    form: str = Field(description="How the files say the model; empty: not at all.")
    serves: Literal["compiled", "native"] = Field(
        description="What answers: the plain files, or the estimator."
    )
    reason: str = Field(default="", description="Why the estimator has to answer.")
    rows: int = Field(description="Validation rows that both answered.")
    hard_rows: int = Field(
        description="Further rows, made to tell them apart: unseen categories, texts "
        "of other scripts, numbers far away."
    )
    largest_difference: float = Field(
        description="The largest difference between two probabilities."
    )
    label_mismatches: int = Field(description="Rows that are labelled differently.")
    share_over: float = Field(
        description="The share of all rows that differ by more than 1e-5."
    )


class ModelCard(Record):
    """All that is known of one version."""

    tag: str
    use_case: str
    trained_at: datetime
    training_seconds: float
    data: DataCard
    libraries: dict[str, str]
    parameters: dict[str, JsonValue]
    decision: dict[str, float] = Field(
        description="Thresholds and priors chosen on validation rows."
    )
    evaluation: Evaluation
    schema_sha256: str = Field(
        description="Digest of the JSON schemas of row and prediction."
    )
    compiled: Compiled | None = Field(
        default=None,
        exclude_if=lambda found: found is None,
        description="Whether it is served from plain files; null: by its estimator, "
        "as every version from before there were such files.",
    )
