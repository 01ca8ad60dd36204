"""The headers that tell a browser to do nothing with an answer but show it."""

from collections.abc import Iterable

Header = tuple[bytes, bytes]

SECURITY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
"""For every answer but predictions, unless a page brings its own."""
PREDICTION: tuple[Header, ...] = SECURITY[:1]
"""For predictions: what a POST is answered is stored by no cache, and JSON that nobody
sniffs needs no policy for pages. Each header costs a microsecond."""


def with_security(headers: Iterable[Header]) -> list[Header]:
    """Return *headers* and those of SECURITY whose names are not among them."""
    given = list(headers)
    names = {name.lower() for name, _ in given}
    return [*given, *(one for one in SECURITY if one[0] not in names)]
