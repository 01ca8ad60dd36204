"""What all rows and predictions share: strictness, bounds on a request, ids."""

from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from annotated_types import MaxLen, MinLen
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_ROWS = 1000
"""The most rows that one predict request may carry."""

T = TypeVar("T")

Rows = Annotated[list[T], MinLen(1), MaxLen(MAX_ROWS)]
"""The rows of one request, 1 to 1,000."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]

Text = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=5000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$"
    ),
]
"""1 to 5,000 characters, not all white space, no NUL."""


class Row(BaseModel):
    """One row to predict: no unknown fields, no coercion, finite numbers only."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False
    )


@dataclass(frozen=True)
class Personal:
    """Marks a row's field that may tell of a person: `Annotated[str, Personal()]`.

    EKIBEN_LOG_PERSONAL says what the prediction log keeps of it. The mark is no part of
    the JSON schema: clients need not know it, and versions stay compatible.
    """


def personal_fields(row: type[Row]) -> frozenset[str]:
    """Return the names of the fields of *row* that are marked `Personal`."""
    return frozenset(
        name
        for name, field in row.model_fields.items()
        if any(isinstance(one, Personal) for one in field.metadata)
    )


RowT = TypeVar("RowT", bound=Row)


class PredictRequest(Row, Generic[RowT]):
    """The body of a predict request."""

    rows: Rows[RowT]


class Prediction(BaseModel):
    """The answer to one row."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    prediction_id: str = Field(
        description="UUID version 7 of this prediction.",
        json_schema_extra={"format": "uuid"},
    )
    model: str = Field(description="The exact tag, name:version, that answered.")


class BinaryPrediction(Prediction):
    """The answer of a model that decides between yes and no."""

    probability: Probability = Field(description="Probability of the positive class.")
    threshold: Probability = Field(
        description="The answer is positive from this probability on."
    )
