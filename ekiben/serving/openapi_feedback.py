"""The part of the OpenAPI document about feedback."""

from collections.abc import Sequence

from ekiben.schemas.feedback import EXAMPLE_ID, FeedbackAccepted
from ekiben.serving.openapi_operations import operation_of
from ekiben.serving.openapi_parts import Node, json_content
from ekiben.serving.openapi_schemas import Schemas
from ekiben.use_cases.use_case import UseCase

CODES = (
    "invalid_json",
    "payload_too_large",
    "unsupported_media_type",
    "validation_failed",
    "internal",
    "overloaded",
    "not_ready",
    "draining",
)


def feedback_paths(use_cases: Sequence[UseCase], schemas: Schemas) -> Node:
    """Return the path of each use case's feedback."""
    return {f"/v1/{one.name}/feedback": _feedback(one, schemas) for one in use_cases}


def _feedback(use_case: UseCase, schemas: Schemas) -> Node:
    label = use_case.classes[-1]
    late: Node = {"prediction_id": EXAMPLE_ID, "label": label}
    timed = late | {"observed_at": "2026-03-01T12:00:00Z"}
    request: Node = {
        "schema": schemas.of(schemas.feedback[use_case.name]),
        "examples": {
            "label": {"value": {"items": [late]}},
            "label_and_time": {"value": {"items": [timed]}},
        },
    }
    answer = json_content(schemas.of(FeedbackAccepted))
    taken = {"accepted": 1, "duplicates": 0, "unknown": []}
    answer["application/json"]["example"] = taken
    operation = operation_of(
        f"feedback_{use_case.name}",
        "Predictions",
        f"Tell what turned out to be true of predictions with {use_case.name}",
        "May come days later. The first label of a prediction stays: sending the same "
        "items again does no harm, and another label for the same prediction is counted "
        "as a duplicate. Each item is accepted, a duplicate, or unknown.",
        ok={"content": answer},
        codes=CODES,
        status="202",
    )
    body = {"required": True, "content": {"application/json": request}}
    return {"post": {**operation, "requestBody": body}}
