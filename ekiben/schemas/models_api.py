"""What the routes under /v1/models answer."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from ekiben.schemas.live import LivePerformance
from ekiben.schemas.model_card import Metric, ModelCard


class Answer(BaseModel):
    """An answer of the read routes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelListing(Answer):
    """One use case and the tags that its aliases point at."""

    use_case: str
    production: str | None = Field(description="Tag of the version that answers.")
    previous: str | None = Field(description="Tag of the one that answered before.")
    canary: str | None = None
    shadow: str | None = None
    since: datetime | None = Field(description="When `production` was promoted.")
    ready: bool = Field(description="Whether a verified version is loaded.")


class ServingCard(ModelCard):
    """The model card of the version that answers, and where it stands."""

    production: str | None
    previous: str | None
    since: datetime | None


class Measured(Answer):
    """Metrics over one group of test rows."""

    rows: int | None = Field(description="Null for a class: it is measured over all.")
    metrics: dict[str, Metric]


class Performance(Answer):
    """How the version that answers does on one group of rows."""

    use_case: str
    model: str
    filter: str
    filters: list[str] = Field(description="Every filter that this version knows.")
    offline: Measured = Field(description="On the test rows, at training.")
    live: LivePerformance | None = Field(
        description="On predictions whose labels came back, of every version."
    )


class Parameters(Answer):
    """What the version that answers was trained with."""

    use_case: str
    model: str
    parameters: dict[str, JsonValue]


class Parameter(Answer):
    """One training parameter."""

    use_case: str
    model: str
    name: str
    value: JsonValue
