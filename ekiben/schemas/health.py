"""What the health routes say."""

from typing import Literal

from pydantic import BaseModel


class Health(BaseModel):
    """The state of the process that answered."""

    status: Literal["alive", "ready"]
