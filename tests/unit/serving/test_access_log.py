"""One line a request, or none at all."""

import asyncio
import json
import logging
from typing import Any

import pytest

from ekiben.serving.access_log import with_access_log
from ekiben.serving.edge import Receive, Scope, Send
from ekiben.serving.logs import OneLine


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"x-request-id", b"abc")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"12345"})


def lines(
    caplog: pytest.LogCaptureFixture, share: float, drawn: float, path: bytes
) -> list[dict[str, Any]]:
    async def send(message: Any) -> None: ...

    async def receive() -> Any: ...

    scope = {"type": "http", "method": "GET", "raw_path": path, "headers": []}
    with caplog.at_level(logging.INFO, "ekiben"):
        app = with_access_log(application, share, lambda: drawn)
        asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    return [json.loads(OneLine().format(one)) for one in caplog.records]


def test_a_share_of_none_is_the_application_itself() -> None:
    assert with_access_log(application, 0.0) is application


@pytest.mark.parametrize(("drawn", "count"), [(0.09, 1), (0.1, 0), (0.9, 0)])
def test_a_share_of_the_requests_is_logged(
    caplog: pytest.LogCaptureFixture, drawn: float, count: int
) -> None:
    assert len(lines(caplog, 0.1, drawn, b"/x")) == count


def test_a_line_says_what_was_answered_and_repeats_a_path_as_it_came(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (line,) = lines(caplog, 1.0, 0.5, b"/%0a\xff" + b"a" * 500)

    assert line["status"] == 404
    assert line["bytes"] == 5
    assert line["request_id"] == "abc"
    assert line["path"].startswith("/%0a\\xffaaa")
    assert len(line["path"]) < 210
