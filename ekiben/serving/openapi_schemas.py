"""The JSON schemas of everything on the wire, as components of the OpenAPI document."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from ekiben.schemas.base import Rows
from ekiben.schemas.feedback import FeedbackAccepted, feedback_request
from ekiben.schemas.health import Health
from ekiben.schemas.models_api import (
    ModelListing,
    Parameter,
    Parameters,
    Performance,
    ServingCard,
)
from ekiben.schemas.problem import Problem
from ekiben.serving.openapi_parts import Node
from ekiben.use_cases.use_case import UseCase

_ANSWERS = (
    ModelListing,
    ServingCard,
    Performance,
    Parameters,
    Parameter,
    FeedbackAccepted,
    Health,
    Problem,
)


class Schemas:
    """The JSON schemas of everything on the wire, and how to refer to each."""

    def __init__(self, use_cases: Sequence[UseCase]) -> None:
        self.requests = {one.name: _request_model(one) for one in use_cases}
        self.feedback = {
            one.name: feedback_request(one.name, one.classes) for one in use_cases
        }
        models: list[tuple[type[BaseModel], JsonSchemaMode]] = [
            *((model, "validation") for model in self.requests.values()),
            *((model, "validation") for model in self.feedback.values()),
            *((one.prediction, "serialization") for one in use_cases),
            *((model, "serialization") for model in _ANSWERS),
        ]
        references, definitions = models_json_schema(
            models, ref_template="#/components/schemas/{model}"
        )
        self.components: Node = definitions["$defs"]
        self._references = {model: found for (model, _), found in references.items()}

    def of(self, model: type[BaseModel]) -> Node:
        """Return the reference to *model*."""
        return dict(self._references[model])

    def list_of(self, model: type[BaseModel]) -> Node:
        """Return the schema of an array of *model*."""
        return {"type": "array", "items": self.of(model)}


def _request_model(use_case: UseCase) -> type[BaseModel]:
    row: Any = use_case.row
    return create_model(
        f"{row.__name__}Rows",
        __config__=ConfigDict(extra="forbid"),
        __doc__="The body of a predict request.",
        rows=(Rows[row], ...),
    )
