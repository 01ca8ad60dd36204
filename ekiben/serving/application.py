"""Puts the edge together: guard outside, pages and BentoML's application behind it."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ekiben import __version__
from ekiben.monitoring.opening import LateStore
from ekiben.serving import metrics
from ekiben.serving.docs_pages import docs_routes
from ekiben.serving.edge import App, Receive, Scope, Send
from ekiben.serving.entrance import make_access_checks
from ekiben.serving.feedback_route import FeedbackRoute
from ekiben.serving.guard import BENTOML_PATHS, Guard
from ekiben.serving.health import health_routes
from ekiben.serving.intake import Intake
from ekiben.serving.lifecycle import LifeCycle
from ekiben.serving.openapi import openapi_document
from ekiben.serving.predict_route import PredictRoute
from ekiben.serving.problems import problem_response
from ekiben.serving.read_api import read_routes
from ekiben.serving.route import Route
from ekiben.serving.short_way import ShortWay
from ekiben.serving.worker import Worker


def build_application(
    bento: App, routes: Sequence[Route], worker: Worker, *, auth: bool
) -> Guard:
    """Return the ASGI application of one worker process; *auth*: it asks for keys."""
    life = LifeCycle(worker)
    settings = worker.settings
    intake = Intake(LateStore(settings.log_url))
    feedback = FeedbackRoute(worker.use_cases, intake, settings.body_bytes)
    pages = Starlette(
        routes=[
            *health_routes(worker.roster, worker.follower, life),
            *read_routes(worker.roster, worker.live),
            feedback.route,
            *docs_routes(
                openapi_document(
                    worker.use_cases,
                    __version__,
                    anonymous=not auth,
                    arrow=settings.arrow,
                )
            ),
        ],
        exception_handlers={404: not_found, 405: method_not_allowed},
    )
    pages.router.redirect_slashes = False
    predict = {
        route.path.encode(): PredictRoute(route.use_case, worker, bento)
        for route in routes
    }
    behind = [path.decode() for path in BENTOML_PATHS]
    access = make_access_checks(settings, pages.routes, behind, required=auth)
    if auth:
        for route in routes:  # an alert sees the first refusal only if there was a 0
            metrics.quota_refusals.labels(route.use_case.name)
    life.admits = lambda: access.ready
    guard = Guard(with_fresh_counts(bento, worker), pages, predict, life, access)
    # An answer that waits for the log would need a task after all.
    if settings.fast_route and settings.log != "fail-closed":
        guard.short_way = ShortWay(guard, predict, life, access)
    return guard


def with_fresh_counts(bento: App, worker: Worker) -> App:
    """Return *bento*, which answers /metrics, told first what this worker has counted."""

    async def fresh(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/metrics":
            worker.publish()
        await bento(scope, receive, send)

    return fresh


def not_found(request: Request, _: Exception) -> Response:
    """Refuse an unknown path."""
    return problem_response(request.scope, "not_found")


def method_not_allowed(request: Request, error: Exception) -> Response:
    """Refuse a method that the route does not have; Allow names those it has."""
    given = error.headers if isinstance(error, HTTPException) else None
    # Starlette names them in the order of a set.
    allow = ", ".join(sorted((given or {}).get("Allow", "").split(", ")))
    return problem_response(
        request.scope, "method_not_allowed", headers={"Allow": allow}
    )
