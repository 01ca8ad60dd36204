"""/livez, /readyz and /healthz."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ekiben.schemas.health import Health
from ekiben.serving.follower import Follower
from ekiben.serving.lifecycle import LifeCycle
from ekiben.serving.problems import (
    DRAINING_SECONDS,
    NOT_READY_SECONDS,
    problem_response,
)
from ekiben.serving.roster import Roster

HUNG = "A model call stands still."
KEYS = "the API keys have not been read"
SIBLINGS = "another worker of this server is loading its models"


def health_routes(roster: Roster, follower: Follower, life: LifeCycle) -> list[Route]:
    """Return the health routes; the table in docs/operations.md says what they answer when.

    Releases that cannot be reached do not make a server unready: what it has answers on.
    """

    async def livez(request: Request) -> Response:
        if life.hung:
            retry = {"Retry-After": str(NOT_READY_SECONDS)}
            return problem_response(request.scope, "not_ready", HUNG, retry)
        return _state(Health(status="alive"))

    async def readyz(request: Request) -> Response:
        if life.draining:
            retry = {"Retry-After": str(DRAINING_SECONDS)}
            return problem_response(request.scope, "draining", headers=retry)
        if life.ready:
            since = follower.unreachable_since
            return _state(Health(status="ready", releases_unreachable_since=since))
        waiting = [
            f"{one.use_case}: {one.reason}" for one in roster.listing() if not one.ready
        ]
        retry = {"Retry-After": str(NOT_READY_SECONDS)}
        if not life.admits():
            waiting.append(KEYS)
        told = "; ".join(waiting) or SIBLINGS
        return problem_response(request.scope, "not_ready", told, retry)

    return [
        Route("/livez", livez),
        Route("/healthz", livez),
        Route("/readyz", readyz),
    ]


def _state(health: Health) -> Response:
    body = health.model_dump_json(exclude_none=True)
    return Response(body, media_type="application/json")
