"""The limit of any server under uvicorn: parse the JSON, answer JSON of the same shape.

No route, no check, no model: one prediction, made at the start, is answered for each row.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from benchmarks.baselines.versions import load_promoted
from ekiben.use_cases.use_case import Fields

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

SHAPE = {"prediction_id": "01890000-0000-7000-8000-000000000000"}
"""What an answer of Ekiben holds beside the fields of the use case, and the tag."""
HEADERS = [(b"content-type", b"application/json")]


def predictions() -> dict[str, Fields]:
    """Return a prediction to each path; any other path is answered with none."""
    found = {}
    for one in load_promoted():
        name = one.use_case.name
        stamps = {**SHAPE, "model": f"{name}:limit"}
        found[f"/v1/{name}/predict"] = {**one.golden[0].prediction, **stamps}
    return found


def make_app() -> Callable[[dict[str, Any], Receive, Send], Awaitable[None]]:
    """Make the application."""
    by_path = predictions()

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        rows = orjson.loads(body)["rows"] if body else []
        answer = orjson.dumps([by_path[scope["path"]]] * len(rows)) if rows else b"[]"
        length = (b"content-length", b"%d" % len(answer))
        start = {"type": "http.response.start", "status": 200}
        await send({**start, "headers": [*HEADERS, length]})
        await send({"type": "http.response.body", "body": answer})

    return app
