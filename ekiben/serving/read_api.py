"""The GET routes under /v1/models: which versions answer, and all that is known of them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ekiben.errors import NotReady, UnknownUseCase
from ekiben.schemas.model_card import Evaluation, ModelCard
from ekiben.schemas.models_api import (
    Measured,
    ModelListing,
    Parameter,
    Parameters,
    Performance,
    ServingCard,
)
from ekiben.serving.live import Live, performance_of
from ekiben.serving.problems import problem_response
from ekiben.serving.read_only import ReadOnly
from ekiben.serving.roster import Served

UNKNOWN_FILTER = (
    "This version has no metrics under that filter; "
    "the overall performance lists its filters."
)
UNKNOWN_PARAMETER = "This version was not trained with a parameter of that name."

_listings = TypeAdapter(list[ModelListing])


class Versions(Protocol):
    """Who knows what is being served; both calls return at once."""

    def listing(self) -> Sequence[Served]:
        """Return every served use case, in the order of the catalogue."""

    def find(self, use_case: str) -> Served | None:
        """Return one use case, or None when it is not served."""


Answered = Response | Awaitable[Response]


def read_routes(versions: Versions, live: Live | None = None) -> list[Route]:
    """Return the routes, with HEAD beside GET and problems for all else.

    Query parameters that a route does not know are ignored. Without *live* nothing is
    said of live traffic.
    """

    def listing(request: Request) -> Response:
        body = _listings.dump_json([_listing(one) for one in versions.listing()])
        return Response(body, media_type="application/json")

    def of_loaded(answer: Callable[[Request, Served, ModelCard], Answered]) -> ReadOnly:
        def respond(request: Request) -> Answered:
            served, card = _loaded(versions, request.path_params["use_case"])
            return answer(request, served, card)

        return ReadOnly(respond)

    model = "/v1/models/{use_case}"
    return [
        Route("/v1/models", ReadOnly(listing)),
        Route(model, of_loaded(_card)),
        Route(f"{model}/performance", of_loaded(partial(_performance, live))),
        Route(f"{model}/params", of_loaded(_parameters)),
        Route(f"{model}/params/{{name}}", of_loaded(_parameter)),
    ]


def groups_of(evaluation: Evaluation) -> Mapping[str, Measured]:
    """Return what was measured by filter: overall, class:CLASS, slice:SLICE:GROUP."""
    groups = {"overall": Measured(rows=evaluation.rows, metrics=evaluation.overall)}
    for name, metrics in evaluation.per_class.items():
        groups[f"class:{name}"] = Measured(rows=None, metrics=metrics)
    for name, slices in evaluation.per_slice.items():
        for group, measured in slices.items():
            groups[f"slice:{name}:{group}"] = Measured(
                rows=measured.rows, metrics=measured.metrics
            )
    return groups


def _loaded(versions: Versions, use_case: str) -> tuple[Served, ModelCard]:
    served = versions.find(use_case)
    if served is None:
        known = [one.use_case for one in versions.listing()]
        raise UnknownUseCase(use_case, known)
    if served.card is None:
        raise NotReady(use_case, served.reason)
    return served, served.card


def _listing(served: Served) -> ModelListing:
    return ModelListing(
        use_case=served.use_case,
        production=served.production,
        previous=served.previous,
        since=served.since,
        ready=served.card is not None,
    )


def _card(request: Request, served: Served, card: ModelCard) -> Response:
    # The card was checked when it was loaded; its parts are taken over as they are.
    return _json(
        ServingCard(
            **dict(card),
            production=served.production,
            previous=served.previous,
            since=served.since,
        )
    )


async def _performance(
    live: Live | None, request: Request, served: Served, card: ModelCard
) -> Response:
    groups = groups_of(card.evaluation)
    wanted = request.query_params.get("filter", "overall")
    if wanted not in groups:
        return problem_response(request.scope, "not_found", UNKNOWN_FILTER)
    return _json(
        Performance(
            use_case=served.use_case,
            model=card.tag,
            filter=wanted,
            filters=list(groups),
            offline=groups[wanted],
            live=live and await performance_of(live, card.use_case, wanted, groups_of),
        )
    )


def _parameters(request: Request, served: Served, card: ModelCard) -> Response:
    return _json(
        Parameters(use_case=served.use_case, model=card.tag, parameters=card.parameters)
    )


def _parameter(request: Request, served: Served, card: ModelCard) -> Response:
    name = request.path_params["name"]
    if name not in card.parameters:
        return problem_response(request.scope, "not_found", UNKNOWN_PARAMETER)
    value = card.parameters[name]
    return _json(
        Parameter(use_case=served.use_case, model=card.tag, name=name, value=value)
    )


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")
