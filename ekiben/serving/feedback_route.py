"""POST /v1/{use_case}/feedback: body to labels, labels into the prediction log."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pydantic import ValidationError
from starlette.responses import Response
from starlette.routing import Route

from ekiben.errors import LogUnavailable, UnknownUseCase
from ekiben.schemas.feedback import MAX_ITEMS, FeedbackRequest, feedback_request
from ekiben.serving import metrics
from ekiben.serving.access_checks import caller_of
from ekiben.serving.edge import (
    Disconnected,
    InvalidRequest,
    Receive,
    Refused,
    Scope,
    Send,
    check_json,
    headers_of,
    read_body,
)
from ekiben.serving.intake import Intake
from ekiben.serving.json_bodies import (
    DUPLICATE_KEYS,
    TOO_DEEP,
    is_too_deep,
    look_at_objects,
)
from ekiben.serving.needs import FEEDBACK_PATH
from ekiben.serving.problems import (
    NOT_READY_SECONDS,
    problem_of,
    problem_response,
    request_id_of,
    validation_problem,
)
from ekiben.use_cases.use_case import UseCase

log = logging.getLogger(__name__)

LOG_AWAY = "The prediction log cannot be reached; send the same again later."
FIELDS = 3
CROWD = 100
"""Fields that an object may have and still be told which of them are unknown."""
MOST_COLONS = 1 + MAX_ITEMS * (FIELDS + 3) + CROWD
"""A time has three colons at most. pydantic takes seconds for a crowd of fields."""


def now_in_utc() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class FeedbackRoute:
    """An ASGI application for the feedback of all *use_cases*."""

    def __init__(
        self,
        use_cases: Sequence[UseCase],
        intake: Intake,
        body_bytes: int,
        now: Callable[[], datetime] = now_in_utc,
    ) -> None:
        self._requests = {
            one.name: feedback_request(one.name, one.classes) for one in use_cases
        }
        self._intake = intake
        self._body_bytes = body_bytes
        self._now = now

    @property
    def route(self) -> Route:
        """Where it answers."""
        return Route(FEEDBACK_PATH, self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a client that left gets no answer."""
        try:
            response = await self._answer(scope, receive)
        except Disconnected:
            use_case = scope["state"].get("use_case", "")
            metrics.requests.labels(use_case, "499", "client_gone").inc()
            return
        except Refused as error:
            response = problem_response(scope, error.code, error.detail)
        except InvalidRequest as error:
            code, detail, errors = validation_problem(error.reason)
            response = problem_response(scope, code, detail, errors=errors)
        except LogUnavailable:
            retry = {"Retry-After": str(NOT_READY_SECONDS)}
            response = problem_response(scope, "not_ready", LOG_AWAY, retry)
        except Exception as error:
            code, detail, headers = problem_of(error)
            if code == "internal":
                identity = request_id_of(scope)
                log.exception("feedback failed", extra={"request_id": identity})
            response = problem_response(scope, code, detail, headers)
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        use_case = scope["path_params"]["use_case"]
        if use_case not in self._requests:
            raise UnknownUseCase(use_case, list(self._requests))
        scope["state"]["use_case"] = use_case
        if scope["method"] != "POST":
            allow = {"Allow": "POST"}
            return problem_response(scope, "method_not_allowed", "Use POST.", allow)
        headers = headers_of(scope)
        check_json(headers)
        body = await read_body(receive, headers, self._body_bytes)
        now = self._now()
        items = self.parse(use_case, body, now).items
        taken = await self._intake.take(use_case, items, now, caller_of(scope).id)
        return Response(taken.model_dump_json(), 202, media_type="application/json")

    def parse(self, use_case: str, body: bytes, now: datetime) -> FeedbackRequest:
        """Return the checked items of *body*, which came *now*.

        Raises:
            Refused: it is not JSON, is nested absurdly, or names a field twice.
            InvalidRequest: an item is not what the schema says.
        """
        crowded = body.count(b":") > MOST_COLONS
        if crowded:
            _check_objects(body)
        validate = self._requests[use_case].__pydantic_validator__.validate_json
        try:
            request: FeedbackRequest = validate(body, context={"now": now})
        except ValidationError as error:
            if is_too_deep(body):
                raise Refused("invalid_json", TOO_DEEP) from None
            raise InvalidRequest(error) from None
        if not crowded:
            _check_objects(body)
        return request


def _check_objects(body: bytes) -> None:
    objects = look_at_objects(body)
    if objects.duplicates:
        raise Refused("invalid_json", DUPLICATE_KEYS)
    if objects.most_keys > FIELDS + CROWD:
        raise Refused("validation_failed", "An object has far too many fields.")
