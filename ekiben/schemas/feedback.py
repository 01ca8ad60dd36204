"""What turned out to be true of predictions, as clients tell it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from annotated_types import MaxLen, MinLen
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    create_model,
)
from pydantic_core import PydanticCustomError

from ekiben.schemas.base import Row

MAX_ITEMS = 1000
"""The most items of one feedback request: as many as a predict request has rows."""
AHEAD = timedelta(minutes=5)
"""How far a client's clock may be ahead of ours."""
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
EXAMPLE_ID = "019aa41e-6f0b-7c52-9d43-0f2b8c61e7aa"

PredictionId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"),
    Field(
        description="The id that the prediction came with.",
        json_schema_extra={"format": "uuid", "examples": [EXAMPLE_ID]},
    ),
]


def read_moment(value: object, info: ValidationInfo) -> datetime | None:
    """Read an RFC 3339 time; *info*'s context says what is `now`."""
    if value is None:
        return None
    try:
        if not isinstance(value, str) or not RFC3339.fullmatch(value):
            raise ValueError
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        raise PydanticCustomError(
            "datetime_zoned", "Input should be an ISO 8601 time with seconds and zone"
        ) from None
    if moment - (info.context or {}).get("now", datetime.now(UTC)) > AHEAD:
        raise PydanticCustomError("datetime_past", "Input should not be in the future")
    if moment < EARLIEST:
        raise PydanticCustomError("datetime_early", "Input should not be before 1970")
    return moment


Moment = Annotated[
    datetime | None,
    BeforeValidator(read_moment),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}
    ),
    Field(
        description="When it was true: ISO 8601 with seconds and zone, at most 5 minutes "
        "ahead of the server's clock. Left out: when the request came.",
    ),
]


class FeedbackItem(Row):
    """What turned out to be true of one prediction; a use case's own says which labels."""

    prediction_id: PredictionId
    label: Any
    observed_at: Moment = None


class FeedbackRequest(Row):
    """The body of a feedback request."""

    items: Sequence[FeedbackItem]


class FeedbackAccepted(BaseModel):
    """What became of the items: each is in exactly one of the three."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accepted: int = Field(description="Items that are kept now.")
    duplicates: int = Field(
        description="Items of predictions that have feedback already; the first stays."
    )
    unknown: list[str] = Field(
        description="Ids, as sent, that the log of this use case does not hold."
    )


def feedback_request(use_case: str, classes: Sequence[Any]) -> type[FeedbackRequest]:
    """Return the body of a feedback request of *use_case*, whose labels are *classes*.

    Where they are 0 and 1, false and true are taken, too: so the answers say it.
    """
    taken = {(type(one), one): one for one in classes}
    if list(classes) == [0, 1] and bool not in map(type, classes):
        taken |= {(bool, False): 0, (bool, True): 1}
    said = [value for _, value in taken]
    message = f"Input should be one of: {', '.join(map(_json, said))}"

    def check(value: Any) -> Any:
        try:
            return taken[type(value), value]
        except (KeyError, TypeError):  # what is a list or object has no hash
            raise PydanticCustomError(
                "label_unknown", "{said}", {"said": message}
            ) from None

    label = Annotated[
        Any,
        BeforeValidator(check),
        WithJsonSchema({"enum": said, "description": "What turned out to be true."}),
    ]
    name = "".join(part.capitalize() for part in use_case.replace("-", "_").split("_"))
    item = create_model(
        f"{name}FeedbackItem",
        __base__=FeedbackItem,
        __doc__=f"What turned out to be true of one prediction of {use_case}.",
        label=(label, ...),
    )
    bounded: Any = Annotated[list[item], MinLen(1), MaxLen(MAX_ITEMS)]
    return create_model(
        f"{name}Feedback",
        __base__=FeedbackRequest,
        __doc__="The body of a feedback request.",
        items=(bounded, ...),
    )


def _json(label: Any) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)
