"""Which form a request has and which its answer: JSON, or a stream of Arrow tables."""

from ekiben.serving.edge import Headers, Refused

ARROW = b"application/vnd.apache.arrow.stream"
JSON = b"application/json"


def is_arrow(headers: Headers) -> bool:
    """Whether the request says that its body is a stream of Arrow tables."""
    given = headers.get(b"content-type", b"")
    return given.strip().lower() == ARROW


def check_arrow(headers: Headers) -> None:
    """Refuse a body in Arrow that is encoded once more.

    Raises:
        Refused: there is a Content-Encoding.
    """
    if b"content-encoding" in headers:
        raise Refused("unsupported_media_type", "send the body without encoding")


def wants_arrow(headers: Headers, *, asked_in_arrow: bool) -> bool:
    """Whether the answer is to be in Arrow: as Accept says, else in the form of the request.

    An Accept that names neither form, or both alike, leaves it at that of the request.
    """
    accept = headers.get(b"accept")
    if accept is None or accept == b"*/*":
        return asked_in_arrow
    arrow, json = quality(accept, ARROW), quality(accept, JSON)
    return asked_in_arrow if arrow == json else arrow > json


def quality(accept: bytes, media_type: bytes) -> float:
    """Return how much an Accept header wants *media_type*, from 0 to 1.

    Of several ranges that fit it the most precise one decides, as RFC 9110 says.
    """
    precision = {b"*/*": 1, b"application/*": 2, media_type: 3}
    best, found = 0, 0.0
    for part in accept.lower().split(b","):
        name, *parameters = (one.strip() for one in part.split(b";"))
        if precision.get(name, 0) > best:
            best, found = precision[name], _weight(parameters)
    return found


def _weight(parameters: list[bytes]) -> float:
    for one in parameters:
        name, _, value = one.partition(b"=")
        if name.strip() == b"q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
