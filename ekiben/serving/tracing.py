"""Spans of requests and of the batches that answer them, sent by OpenTelemetry's exporter.

A request's span continues the client's `traceparent`. A batch's span belongs to the first
traced request in it and is linked to all of them, and they to it.
"""

import os
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ekiben import __version__
from ekiben.serving.batch import Outcome
from ekiben.serving.dispatcher import Dispatcher
from ekiben.serving.edge import App, Headers, Message, Receive, Scope, Send, headers_of
from ekiben.serving.jobs import Job, Model, Piece

UNTRACED = frozenset(["/livez", "/readyz", "/healthz", "/metrics"])
"""What is asked every few seconds by machines."""
METHODS = frozenset(["GET", "HEAD", "POST"])
FLUSH_SECONDS = 1.0

propagator = TraceContextTextMapPropagator()


class Tracing:
    """What makes the spans of one process."""

    def __init__(self, exporter: SpanExporter) -> None:
        # Sampling, limits and the queue are OpenTelemetry's, and set by its variables.
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("ekiben", __version__)

    @classmethod
    def to_collector(cls) -> "Tracing":
        """Send spans where OTEL_EXPORTER_OTLP_ENDPOINT says."""
        return cls(OTLPSpanExporter())

    def application(self, inner: App) -> App:
        """Return *inner* with a span around each request but those of UNTRACED."""

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] not in UNTRACED:
                await _trace(self._tracer, inner, scope, receive, send)
                return
            await inner(scope, receive, send)
            if scope["type"] == "lifespan":
                self.flush()

        return traced

    @property
    def dispatcher(self) -> Callable[..., Dispatcher]:
        """What makes dispatchers whose batches have spans."""
        return partial(TracedDispatcher, self._tracer)

    def flush(self) -> None:
        """Send what is left, for at most FLUSH_SECONDS: a collector that hangs has no more."""
        thread = threading.Thread(target=self._provider.force_flush, daemon=True)
        thread.start()
        thread.join(FLUSH_SECONDS)


def _resource() -> Resource:
    """Return who we are; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come first."""
    ours = Resource(
        {
            "service.name": "ekiben",
            "service.version": __version__,
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        }
    )
    given = Resource.create()
    if given.attributes.get("service.name", "").startswith("unknown_service"):  # type: ignore[union-attr]
        return given.merge(ours)
    return ours.merge(given)


async def _trace(
    tracer: Tracer, inner: App, scope: Scope, receive: Receive, send: Send
) -> None:
    span = _begin(tracer, scope)

    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            _describe(span, message)
        await send(message)

    try:
        with use_span(span, record_exception=False, set_status_on_exception=True):
            await inner(scope, receive, send_on)
    finally:
        span.end()


def _begin(tracer: Tracer, scope: Scope) -> Span:
    """Start a request's span; its name takes nothing from the client but a known method."""
    headers = headers_of(scope)
    method = scope["method"] if scope["method"] in METHODS else "HTTP"
    return tracer.start_span(
        method,
        context=_client_s(headers),
        kind=SpanKind.SERVER,
        attributes={"http.request.method": method, "url.path": scope["path"][:200]},
    )


def _client_s(headers: Headers) -> Context:
    """Return the context of the client's span; an empty one where it sent none."""
    names = (b"traceparent", b"tracestate")
    carrier = {
        name.decode(): headers[name].decode("latin-1")
        for name in names
        if name in headers
    }
    return propagator.extract(carrier, context=Context())


def _describe(span: Span, head: Message) -> None:
    """Take from the head of the answer what a reader of the span asks first."""
    status = head["status"]
    headers = dict(head["headers"])
    span.set_attribute("http.response.status_code", status)
    names = {"ekiben.model": b"x-model", "ekiben.request_id": b"x-request-id"}
    for name, header in names.items():
        if header in headers:
            span.set_attribute(name, headers[header].decode("latin-1"))
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))


class TracedDispatcher(Dispatcher):
    """A dispatcher whose model calls have spans, linked to those of their requests."""

    def __init__(
        self, tracer: Tracer, use_case: str, *given: Any, **named: Any
    ) -> None:
        super().__init__(use_case, *given, **named)
        self._tracer = tracer
        self._use_case = use_case

    def _enter(self, job: Job) -> None:
        span = get_current_span()
        if span.is_recording():
            span.update_name(f"POST /v1/{self._use_case}/predict")
            span.set_attribute("ekiben.use_case", self._use_case)
            span.set_attribute("ekiben.rows", len(job.rows))
            job.span = span
        super()._enter(job)

    def _run(self, model: Model, pieces: list[Piece], count: int) -> list[Outcome]:
        spans = [piece.job.span for piece in pieces if piece.job.span is not None]
        if not spans:
            return super()._run(model, pieces, count)
        batch = self._tracer.start_span(
            f"batch {self._use_case}",
            context=set_span_in_context(spans[0], Context()),
            links=[Link(span.get_span_context()) for span in spans],
            attributes={
                "ekiben.use_case": self._use_case,
                "ekiben.model": model.tag,
                "ekiben.rows": count,
                "ekiben.requests": len(pieces),
            },
        )
        for span in spans:
            span.add_link(batch.get_span_context())
        outcomes = super()._run(model, pieces, count)
        failed = sum(isinstance(one, Exception) for one in outcomes)
        if failed:
            batch.set_attribute("ekiben.failed_requests", failed)
            batch.set_status(Status(StatusCode.ERROR))
        batch.end()
        return outcomes
