"""The OpenAPI 3.1 document of every route, made from the schemas and the table of refusals."""

from collections.abc import Sequence

from pydantic import BaseModel

from ekiben.schemas.health import Health
from ekiben.schemas.models_api import (
    ModelListing,
    Parameter,
    Parameters,
    Performance,
    ServingCard,
)
from ekiben.serving.arrow_media import ARROW
from ekiben.serving.openapi_feedback import feedback_paths
from ekiben.serving.openapi_operations import ANY_CODES, headers_of, operation_of
from ekiben.serving.openapi_parts import (
    PARAMETER_NAME,
    PERFORMANCE_FILTER,
    PREDICT_HEADERS,
    REQUEST_ID,
    RESPONSE_HEADERS,
    TAGS,
    Node,
    json_content,
    refusals,
    text_content,
    use_case_parameter,
)
from ekiben.serving.openapi_schemas import Schemas
from ekiben.serving.openapi_security import SECURITY_SCHEMES, secured
from ekiben.use_cases.use_case import UseCase

INTRODUCTION = """Predictions are made at one address per use case; the routes under `/v1/models` say which
version answers and all that is known of it. Every refusal, from every layer, is an
RFC 9457 problem; an unknown address is 404 `not_found`, another method than those
listed is 405 `method_not_allowed` with `Allow`. GET routes answer to HEAD, too, and
ignore query parameters that they do not know. Integers are written without a
fraction: 3 is one, 3.0 is not."""

_TABLES = """

An Arrow stream holds the same rows, a column a field, and its answer the same
predictions, those by class as `probabilities.CLASS`. `Accept` chooses the form of the
answer; without it, the answer has the form of the request."""

_PREDICT_CODES = (
    "invalid_json",
    "payload_too_large",
    "unsupported_media_type",
    "validation_failed",
    "internal",
    "overloaded",
    "not_ready",
    "draining",
    "deadline_exceeded",
)


def openapi_document(
    use_cases: Sequence[UseCase],
    version: str,
    *,
    anonymous: bool = False,
    arrow: bool = True,
) -> Node:
    """Return the document of a server of *use_cases*, as plain JSON values.

    *anonymous*: it answers without a key, too. *arrow*: it takes and gives tables.
    """
    schemas = Schemas(use_cases)
    names = [use_case.name for use_case in use_cases]
    predict = {
        f"/v1/{one.name}/predict": _predict(one, schemas, arrow) for one in use_cases
    }
    feedback = feedback_paths(use_cases, schemas)
    paths = {
        **predict,
        **feedback,
        **_models(names, schemas),
        **_health(schemas),
        **_pages(),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ekiben",
            "version": version,
            "summary": "A production model server packaged with BentoML.",
            "description": INTRODUCTION,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "tags": TAGS,
        "paths": secured(paths, anonymous=anonymous),
        "components": {
            "schemas": schemas.components,
            "headers": RESPONSE_HEADERS,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _predict(use_case: UseCase, schemas: Schemas, arrow: bool) -> Node:
    request: Node = {"schema": schemas.of(schemas.requests[use_case.name])}
    rows = _examples(use_case.row)
    if rows:
        request["examples"] = {
            f"row_{number}": {"value": {"rows": [row]}}
            for number, row in enumerate(rows, start=1)
        }
        request["examples"]["all_rows"] = {"value": {"rows": rows}}
    answer = json_content(schemas.list_of(use_case.prediction))
    predictions = _examples(use_case.prediction)
    if predictions:
        answer["application/json"]["example"] = predictions[:1]
    tables: Node = {ARROW.decode(): {}} if arrow else {}
    operation = operation_of(
        f"predict_{use_case.name}",
        "Predictions",
        f"Predict with {use_case.name}",
        f"{use_case.summary}\n\nOne prediction per row, in the order of the rows. "
        f"Either every row is answered or none is.{_TABLES if arrow else ''}",
        parameters=PREDICT_HEADERS,
        ok={"content": answer | tables, "headers": headers_of("X-Model")},
        codes=_PREDICT_CODES,
    )
    body = {"required": True, "content": {"application/json": request} | tables}
    return {"post": {**operation, "requestBody": body}}


def _examples(model: type[BaseModel]) -> list[Node]:
    # Pydantic sorts the keys of examples; readers expect the order of the fields.
    fields = list(model.model_fields)
    return [
        dict(sorted(example.items(), key=lambda item: fields.index(item[0])))
        for example in model.model_json_schema().get("examples", [])
    ]


def _models(names: Sequence[str], schemas: Schemas) -> Node:
    model = "/v1/models/{use_case}"
    of_one = [use_case_parameter(names), REQUEST_ID]
    one_codes = ("not_found", "internal", "not_ready")

    def read(
        name: str, summary: str, description: str, schema: Node, *more: Node
    ) -> Node:
        return {
            "get": operation_of(
                name,
                "Models",
                summary,
                description,
                parameters=[*of_one, *more],
                ok={"content": json_content(schema)},
                codes=one_codes,
            )
        }

    listing = operation_of(
        "list_models",
        "Models",
        "List the use cases",
        "Every served use case, in the order of the catalogue, with the tags that its "
        "aliases point at.",
        parameters=[REQUEST_ID],
        ok={"content": json_content(schemas.list_of(ModelListing))},
        codes=("internal",),
    )
    return {
        "/v1/models": {"get": listing},
        model: read(
            "show_model",
            "Show the model card",
            "All that is known of the version that answers now.",
            schemas.of(ServingCard),
        ),
        f"{model}/performance": read(
            "show_performance",
            "Show the metrics of one group of rows",
            "Metrics with 95 % bootstrap intervals. An unknown filter is 404.",
            schemas.of(Performance),
            PERFORMANCE_FILTER,
        ),
        f"{model}/params": read(
            "list_parameters",
            "List the training parameters",
            "What the version that answers now was trained with.",
            schemas.of(Parameters),
        ),
        f"{model}/params/{{name}}": read(
            "show_parameter",
            "Show one training parameter",
            "One parameter by name. An unknown name is 404.",
            schemas.of(Parameter),
            PARAMETER_NAME,
        ),
    }


def _health(schemas: Schemas) -> Node:
    ready = "Every served use case has a verified, warmed version."
    state = json_content(schemas.of(Health))
    return {
        "/livez": _page(
            "livez", "Health", "Is the process alive", "It is.", content=state
        ),
        "/readyz": _page(
            "readyz",
            "Health",
            "Can it answer predictions",
            ready,
            content=state,
            codes=("not_ready", "draining"),
        ),
        "/healthz": _page(
            "healthz", "Health", "The same as /livez", "It is.", content=state
        ),
        "/metrics": _page(
            "metrics",
            "Health",
            "Metrics for Prometheus",
            "The Prometheus text format.",
            content=text_content("text/plain"),
        ),
    }


def _pages() -> Node:
    html = text_content("text/html")
    redirect = operation_of(
        "home", "Documentation", "Lead to the documentation", "A redirect to `/docs`."
    )
    redirect["responses"] = {
        "307": {"description": "See `Location`.", "headers": headers_of("Location")},
        **refusals((*ANY_CODES, "internal")),
    }
    return {
        "/openapi.json": _page(
            "openapi",
            "Documentation",
            "This document",
            "OpenAPI 3.1.",
            content=json_content({"type": "object"}),
        ),
        "/schema.json": _page(
            "bentoml_schema",
            "Documentation",
            "What BentoML's own clients read",
            "BentoML's description of the endpoints.",
            content=json_content({"type": "object"}),
        ),
        "/docs": _page("docs", "Documentation", "Swagger UI", "A page.", content=html),
        "/redoc": _page("redoc", "Documentation", "ReDoc", "A page.", content=html),
        "/": {"get": redirect},
    }


def _page(
    name: str,
    tag: str,
    summary: str,
    description: str,
    *,
    content: Node | None = None,
    codes: Sequence[str] = (),
) -> Node:
    ok = {"content": content} if content else {}
    codes = ("internal", *codes)
    return {"get": operation_of(name, tag, summary, description, ok=ok, codes=codes)}
