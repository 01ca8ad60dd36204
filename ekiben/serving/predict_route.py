"""POST /v1/{use_case}/predict: body to rows, rows to predictions, predictions to bytes."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import orjson
from pydantic import ValidationError

from ekiben.schemas.base import MAX_ROWS, PredictRequest, Row
from ekiben.serving.access_checks import charge_rows
from ekiben.serving.arrow_form import ArrowForm
from ekiben.serving.arrow_media import ARROW, check_arrow, is_arrow, wants_arrow
from ekiben.serving.edge import (
    App,
    Headers,
    InvalidRequest,
    Message,
    Receive,
    Refused,
    Scope,
    Send,
    check_json,
    client_gone,
    read_body,
    replay,
    seconds_allowed,
)
from ekiben.serving.json_bodies import (
    DUPLICATE_KEYS,
    TOO_DEEP,
    is_too_deep,
    look_at_objects,
)
from ekiben.serving.json_columns import (
    LEAST_ROWS,
    LONG_BODY,
    JsonColumns,
    count_of,
)
from ekiben.serving.security_headers import PREDICTION
from ekiben.serving.worker import Call, Worker, current_call
from ekiben.use_cases.use_case import UseCase

_OF_BODY = (b"content-type", b"content-length", b"transfer-encoding")
UNKNOWN_FIELDS = 100
"""So many fields more than its schema has may an object bring and still be told which."""


class PredictRoute:
    """The predict route of one use case, answered here or by BentoML's own path."""

    def __init__(self, use_case: UseCase, worker: Worker, bento: App) -> None:
        settings = worker.settings
        self.use_case = use_case.name
        self._worker = worker
        self.dispatcher = worker.dispatchers[use_case.name]
        self.finish = partial(worker.finish, use_case.name)
        self._bento = bento
        self._fast = settings.fast_route
        self.seconds = settings.deadline_ms / 1000
        self.body_bytes = settings.body_bytes
        request = PredictRequest[use_case.row]  # type: ignore[name-defined]
        self._validate = request.__pydantic_validator__.validate_json
        self._fields = len(use_case.row.model_fields)
        self._columns = JsonColumns.of(use_case.row)
        self._arrow: ArrowForm | None = None
        if settings.arrow:
            self._arrow = ArrowForm(
                use_case.row, use_case.prediction, settings.body_bytes
            )
        self._most_colons = 1 + MAX_ROWS * self._fields + UNKNOWN_FIELDS

    async def answer(
        self,
        scope: Scope,
        headers: Headers,
        request_id: bytes,
        receive: Receive,
        caller: str = "",
    ) -> tuple[Message, bytes]:
        """Return the head and body of the 200 answer; *caller* is whose share is used.

        Raises:
            Refused, InvalidRequest: the request is not one that can be answered.
            EkibenError: it could not be answered now.
        """
        start = time.perf_counter()
        reader = self._arrow if is_arrow(headers) else None
        check_arrow(headers) if reader else check_json(headers)
        writer = self._writer(headers, asked_in_arrow=reader is not None)
        seconds = seconds_allowed(headers, self.seconds)
        # Before the body is read: an overloaded worker has no time to spare for it.
        self.dispatcher.check(1, seconds=seconds, caller=caller)
        body = await read_body(receive, headers, self.body_bytes)
        rows = await reader.rows(body) if reader else self.parse(body)
        charge_rows(scope, len(rows))
        gone = client_gone(receive)
        if self._fast:
            answer = await self._worker.predict(
                self.use_case,
                rows,
                seconds=seconds,
                gone=gone,
                caller=caller,
                request_id=request_id.decode(),
                since=start,
                as_table=writer is not None,
            )
            tag = answer.tag
            content = (
                await writer.stream(answer.fields, tag) if writer else answer.content
            )
        else:
            call = Call(seconds, gone, caller, request_id.decode(), start)
            if reader:
                scope, body = as_json(scope, rows)
            content = await self._through_bento(scope, body, receive, call)
            tag = call.tag
            if writer:
                content = await writer.stream(orjson.loads(content), tag)
        self.count(tag, len(rows), start)
        return {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", ARROW if writer else b"application/json"),
                *PREDICTION,
                (b"content-length", b"%d" % len(content)),
                (b"x-request-id", request_id),
                (b"x-model", tag.encode()),
            ],
        }, content

    def count(self, tag: str, rows: int, start: float) -> None:
        """Count an answer of *rows* to a request that came at *start*."""
        counts = self.dispatcher.versions.of(tag)
        counts.rows += rows
        counts.request_seconds.add(time.perf_counter() - start)

    def _writer(self, headers: Headers, *, asked_in_arrow: bool) -> ArrowForm | None:
        """Return what writes the answer, None: it is JSON."""
        if b"accept" not in headers and not asked_in_arrow:
            return None
        return (
            self._arrow if wants_arrow(headers, asked_in_arrow=asked_in_arrow) else None
        )

    def parse(self, body: bytes) -> Sequence[Row]:
        """Return the checked rows of *body*, many of them as columns.

        Raises:
            Refused: it is not JSON, is nested absurdly, or names a field twice.
            InvalidRequest: a row is not what the schema says.
        """
        # Not count_of for one row: even a call would cost it more than the count saves.
        colons = body.count(b":") if len(body) < LONG_BODY else count_of(b":", body)
        # pydantic takes seconds for a row with a hundred thousand unknown fields.
        if colons > self._most_colons:
            self._check_objects(body)
        rows: Sequence[Row] | None = None
        if colons > LEAST_ROWS * self._fields:
            rows = self._columns.read(body)
        if rows is None:
            rows = self._validated(body)
        # Each field has one colon, so where there are no more colons than fields none is
        # named twice. Colons inside texts make the counts differ too.
        if colons != 1 + len(rows) * self._fields:
            self._check_objects(body)
        return rows

    def _validated(self, body: bytes) -> Sequence[Row]:
        try:
            request: Any = self._validate(body)
        except ValidationError as error:
            if is_too_deep(body):
                raise Refused("invalid_json", TOO_DEEP) from None
            raise InvalidRequest(error) from None
        rows: Sequence[Row] = request.rows
        return rows

    def _check_objects(self, body: bytes) -> None:
        objects = look_at_objects(body)
        if objects.duplicates:
            raise Refused("invalid_json", DUPLICATE_KEYS)
        if objects.most_keys > self._fields + UNKNOWN_FIELDS:
            raise Refused("validation_failed", "An object has far too many fields.")

    async def _through_bento(
        self, scope: Scope, body: bytes, receive: Receive, call: Call
    ) -> bytes:
        """Let BentoML's own path answer; its refusals give way to ours."""
        status = 0
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))

        token = current_call.set(call)
        try:
            await self._bento(scope, replay(body, receive), keep)
        finally:
            current_call.reset(token)
        if call.error is not None:
            raise call.error
        if status != 200:
            raise RuntimeError(f"BentoML answered {status} without a reason")
        return b"".join(parts)


def as_json(scope: Scope, rows: Sequence[Row]) -> tuple[Scope, bytes]:
    """Return the request in *scope* as if its *rows* had come in JSON."""
    body = orjson.dumps({"rows": [row.model_dump(mode="json") for row in rows]})
    kept = [one for one in scope["headers"] if one[0] not in _OF_BODY]
    told = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    return {**scope, "headers": [*kept, *told]}, body


async def send_answer(send: Send, head: Message, content: bytes) -> None:
    """Send one whole answer."""
    await send(head)
    await send({"type": "http.response.body", "body": content})
