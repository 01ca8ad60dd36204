"""The one body of every refusal: RFC 9457 problem details."""

from pydantic import BaseModel, ConfigDict, Field


class FieldError(BaseModel):
    """One thing that is wrong with the request, and where."""

    model_config = ConfigDict(frozen=True)

    loc: list[str | int] = Field(
        description='Path in the body, such as ["rows", 3, "amount"].'
    )
    code: str
    message: str


class Problem(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] | None = None
