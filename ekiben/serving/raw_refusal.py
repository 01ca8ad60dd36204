"""A refusal as bytes, for what never becomes a request that an application sees."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from ekiben.serving.problems import MEDIA_TYPE, REFUSALS, problem_body
from ekiben.serving.security_headers import SECURITY

RETRY_SECONDS = b"1"


def raw_refusal(code: str, identity: str) -> bytes:
    """Return the whole answer that refuses a request of which there is no scope."""
    refusal = REFUSALS[code]
    body = problem_body(code, refusal.detail, identity)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", identity.encode()),
        *SECURITY,
        (b"connection", b"close"),
    ]
    if refusal.status == 503:
        headers.append((b"retry-after", RETRY_SECONDS))
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    return STATUS_LINE[refusal.status] + lines + b"\r\n" + body
