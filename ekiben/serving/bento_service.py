"""Ekiben behind BentoML's declaration: our dispatcher, our edge, and the models a Bento packs.

Leans on names that BentoML keeps to itself; each has a canary test. The process that only
looks after workers imports this, too: what answers is imported by the worker, where it is used.
"""

import os
import typing
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import Annotated, Any, TypeVar

import bentoml
from _bentoml_sdk import Service
from bentoml.models import BentoModel
from bentoml.validators import ContentType

from ekiben import __version__
from ekiben.errors import InvalidSettings
from ekiben.schemas.base import Row
from ekiben.serving.binding import auth_required, bound_host, check_place_of_keys
from ekiben.serving.plan import Plan, one_line
from ekiben.serving.route import Route
from ekiben.serving.supervisor import supervise
from ekiben.serving.traces import check_traces, make_tracing
from ekiben.settings import Settings

if typing.TYPE_CHECKING:
    from ekiben.serving.edge import App
    from ekiben.serving.tracing import Tracing
    from ekiben.serving.worker import Worker

P = TypeVar("P")

Answers = Annotated[list[P], ContentType("application/json")]
"""One prediction a row. The content type is stated because BentoML otherwise builds the
JSON schema of the list anew for every answer to find it out."""

PREDICT_ROUTE = "/v1/{}/predict"


class EkibenService(Service[Any]):
    """A BentoML service whose predict endpoints share one dispatcher and one edge."""

    plan: Plan

    def __attrs_post_init__(self) -> None:
        """Pack the pinned versions and check that each endpoint belongs to a use case."""
        super().__attrs_post_init__()
        self.plan = self.inner.plan
        self.models.extend(BentoModel(tag) for tag in self.plan.packed.tags)
        self.labels.update(self.plan.packed.labels())
        with one_line():
            self.routes = tuple(self._routes())

    def _routes(self) -> typing.Iterator[Route]:
        declared = {api.route: api for api in self.apis.values()}
        for use_case in self.plan.use_cases:
            path = PREDICT_ROUTE.format(use_case.name)
            if path not in declared:
                raise InvalidSettings(
                    f"service.py declares no endpoint {path} for {use_case.name}"
                )
            hints = typing.get_type_hints(declared[path].func)
            if hints["rows"] != list[use_case.row]:  # type: ignore[name-defined]
                raise InvalidSettings(f"{path} takes other rows than {use_case.name}")
            yield Route(path, use_case)

    @cached_property
    def worker(self) -> "Worker":
        """What this process answers with; made at first use, loads nothing yet."""
        if self.tracing is None:
            return self.plan.make_worker()
        return self.plan.make_worker(self.tracing.dispatcher)

    @cached_property
    def tracing(self) -> "Tracing | None":
        """What makes spans of this process's requests, where somebody wants them."""
        return make_tracing(os.environ)

    @property
    def openapi_spec(self) -> Any:
        """Our own document: BentoML's generator knows neither 3.1 nor our routes.

        A build writes it into the Bento.
        """
        from ekiben.serving.openapi import openapi_document

        return openapi_document(self.plan.use_cases, __version__)

    def to_asgi(self, is_main: bool = True) -> Any:
        """Return BentoML's application inside our edge."""
        from _bentoml_impl.server.app import ServiceAppFactory

        from ekiben.serving.access_log import with_access_log
        from ekiben.serving.application import build_application
        from ekiben.serving.connections import Limits
        from ekiben.serving.logs import configure_logs
        from ekiben.serving.short_protocol import install_protocol

        self.inject_config()
        settings = self.plan.settings
        configure_logs(settings.log_level)
        factory = ServiceAppFactory(self, is_main=is_main)
        for name in factory.dispatchers:
            factory.dispatchers[name] = pass_through
        with one_line():
            auth = auth_required(settings, bound_host())
            guard = build_application(factory(), self.routes, self.worker, auth=auth)
        application: App = guard
        if self.tracing is not None:
            application = self.tracing.application(application)
        application = with_access_log(application, settings.access_log)
        short = guard.short_way if application is guard else None
        install_protocol(Limits.of(settings), short)
        return application


def pass_through(
    inner_infer: Callable[[Sequence[Any]], Awaitable[Sequence[Any]]],
) -> Callable[[Any], Awaitable[Any]]:
    """Stand where BentoML's batcher stood: hand one request's rows straight on.

    The endpoint behind it puts them into our dispatcher, which batches.
    """

    async def infer(rows: Any) -> Any:
        (answers,) = await inner_infer((rows,))
        return answers

    return infer


class Endpoints:
    """What the service class inherits: the step that every endpoint is made of."""

    plan: Plan
    bento_service: EkibenService

    @bentoml.on_deployment
    @staticmethod
    def look_after_workers() -> None:
        """Prepare the process that starts the workers; BentoML calls it there, once."""
        with one_line():
            settings = Settings.from_env()
            check_traces(os.environ)
            if auth_required(settings, bound_host()):
                check_place_of_keys(settings)
            supervise(settings)

    async def answer(self, use_case: str, rows: Sequence[Row]) -> list[Any]:
        """Answer *rows* in order: predict in a batch with other requests, stamp ids.

        Raises:
            NotReady, Overloaded, DeadlineExceeded: as `Dispatcher.submit` says.
        """
        answer = await self.bento_service.worker.predict_in_call(use_case, rows)
        prediction = self.plan.use_case(use_case).prediction
        return [prediction.model_construct(**fields) for fields in answer.fields]
