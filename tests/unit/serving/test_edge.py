"""What every request has: id, type, deadline, a counted body."""

import asyncio
from collections.abc import Iterator

import pytest

from ekiben.serving.edge import (
    Disconnected,
    Message,
    Receive,
    Refused,
    check_json,
    client_gone,
    read_body,
    replay,
    request_id,
    seconds_allowed,
)


def receiving(*messages: Message) -> Receive:
    left: Iterator[Message] = iter(messages)

    async def receive() -> Message:
        return next(left)

    return receive


def part(body: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/json",
        b"application/json; charset=utf-8",
        b'Application/JSON;charset="UTF-8"',
    ],
)
def test_json_is_taken(content_type: bytes) -> None:
    check_json({b"content-type": content_type})


@pytest.mark.parametrize(
    "content_type",
    [
        b"",
        b"text/plain",
        b"text/json",
        b"application/xml",
        b"application/json; charset=latin-1",
        b"application/jsonp",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"application/vnd.bentoml+pickle",
    ],
)
def test_any_other_type_is_refused(content_type: bytes) -> None:
    with pytest.raises(Refused) as refused:
        check_json({b"content-type": content_type})

    assert refused.value.code == "unsupported_media_type"


def test_an_encoded_body_is_refused() -> None:
    with pytest.raises(Refused):
        check_json({b"content-type": b"application/json", b"content-encoding": b"gzip"})


@pytest.mark.parametrize("given", [b"", b"a b", b"x" * 129, b"a\tb", b"<a>", b"\xff"])
def test_an_id_that_is_not_sane_is_replaced(given: bytes) -> None:
    assert len(request_id({b"x-request-id": given})) == 32


def test_a_sane_id_is_kept() -> None:
    assert request_id({b"x-request-id": b"Root=1-67:a.b_c"}) == "Root=1-67:a.b_c"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        pytest.param(None, 30.0, id="none"),
        pytest.param(b"250", 0.25, id="shorter"),
        pytest.param(b"90000", 30.0, id="longer-does-not-count"),
    ],
)
def test_a_deadline_can_only_be_shortened(given: bytes | None, seconds: float) -> None:
    headers = {} if given is None else {b"x-deadline-ms": given}

    assert seconds_allowed(headers, 30.0) == seconds


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([part(b"x" * 100)], id="at-once"),
        pytest.param([part(b"x" * 60, more=True), part(b"x" * 40)], id="in-parts"),
        pytest.param([part(b"x" * 100, more=True), part(b"")], id="empty-end"),
    ],
)
def test_a_body_up_to_the_limit_is_read_whole(parts: list[Message]) -> None:
    body = asyncio.run(read_body(receiving(*parts), {}, 100))

    assert body == b"x" * 100


@pytest.mark.parametrize(
    ("parts", "announced"),
    [
        pytest.param([part(b"x" * 101)], None, id="at-once"),
        pytest.param(
            [part(b"x" * 60, more=True), part(b"x" * 41)], None, id="in-parts"
        ),
        pytest.param([part(b"x" * 101)], b"5", id="announced-too-low"),
        pytest.param([], b"101", id="announced"),
    ],
)
def test_one_byte_more_is_refused(
    parts: list[Message], announced: bytes | None
) -> None:
    headers = {} if announced is None else {b"content-length": announced}

    with pytest.raises(Refused) as refused:
        asyncio.run(read_body(receiving(*parts), headers, 100))

    assert refused.value.code == "payload_too_large"


def test_a_client_that_leaves_in_the_middle_is_no_request() -> None:
    leaving = receiving(part(b"x", more=True), {"type": "http.disconnect"})

    with pytest.raises(Disconnected):
        asyncio.run(read_body(leaving, {}, 100))


def test_where_nothing_tells_that_a_client_left_it_is_there() -> None:
    assert not client_gone(receiving())()


def test_a_body_is_replayed_once_and_then_the_connection_speaks() -> None:
    async def both() -> list[Message]:
        receive = replay(b"abc", receiving({"type": "http.disconnect"}))
        return [await receive(), await receive()]

    first, second = asyncio.run(both())

    assert first["body"] == b"abc"
    assert second["type"] == "http.disconnect"
