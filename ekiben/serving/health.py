"""/livez, /readyz and /healthz."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ekiben.schemas.health import Health
from ekiben.serving.follower import Follower
from ekiben.serving.problems import problem_response
from ekiben.serving.roster import Roster


def health_routes(roster: Roster, follower: Follower) -> list[Route]:
    """Return the health routes; ready is when every served use case is.

    Releases that cannot be reached do not make a server unready: what it has answers on.
    """

    async def livez(_: Request) -> Response:
        return _state(Health(status="alive"))

    async def readyz(request: Request) -> Response:
        if roster.ready:
            since = follower.unreachable_since
            return _state(Health(status="ready", releases_unreachable_since=since))
        waiting = [
            f"{one.use_case}: {one.reason}" for one in roster.listing() if not one.ready
        ]
        return problem_response(request.scope, "not_ready", "; ".join(waiting))

    return [
        Route("/livez", livez),
        Route("/healthz", livez),
        Route("/readyz", readyz),
    ]


def _state(health: Health) -> Response:
    body = health.model_dump_json(exclude_none=True)
    return Response(body, media_type="application/json")
