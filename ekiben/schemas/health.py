"""What the health routes say."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    """The state of the process that answered."""

    status: Literal["alive", "ready"]
    releases_unreachable_since: datetime | None = Field(
        default=None,
        description="Since when nobody could ask which version is production; "
        "the last ones known answer on.",
    )
