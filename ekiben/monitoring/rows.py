"""Logged rows as a version takes them, unless the log does not hold them whole."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from ekiben.monitoring.records import Logged, is_hash
from ekiben.schemas.base import Row
from ekiben.use_cases.use_case import UseCase

Cause = Literal[
    "use case unknown",
    "row not whole",
    "row refused",
    "artefact missing",
    "artefact altered",
    "artefact refused",
    "libraries",
    "platform",
    "model raised",
    "answer",
]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a logged row cannot be asked again."""

    cause: Cause
    words: str


def row_of(use_case: UseCase, record: Logged) -> Row | Obstacle:
    """Return the row of *record* as the edge would make it of what the client sent."""
    missing = not_kept(use_case, record.row)
    if missing:
        words = f"personal, so not kept in the log: {', '.join(missing)}"
        return Obstacle("row not whole", words)
    try:
        return use_case.row.model_validate_json(json.dumps(record.row))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        words = f"the running code refuses the row: {where}: {first['msg']}"
        return Obstacle("row refused", words)


def not_kept(use_case: UseCase, row: Mapping[str, Any]) -> list[str]:
    """Return the fields of *row* that the log holds hashed, or has dropped.

    The log keeps every field, those with a default too, unless it is personal.
    """
    return [
        name
        for name in use_case.row.model_fields
        if name not in row or is_hash(row[name])
    ]
