"""How the read routes answer: GET and HEAD only, and every failure as a problem."""

import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ekiben.serving.problems import problem_of, problem_response, request_id_of

log = logging.getLogger(__name__)


class ReadOnly:
    """A route for GET and HEAD: other methods are 405, exceptions become problems.

    An object instead of a function, so that Starlette hands over every method.
    """

    def __init__(
        self, answer: Callable[[Request], Response | Awaitable[Response]]
    ) -> None:
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._respond(Request(scope))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            allow = {"Allow": "GET, HEAD"}
            return problem_response(request.scope, "method_not_allowed", None, allow)
        try:
            answer = self.answer(request)
            return await answer if isawaitable(answer) else answer
        except Exception as error:
            code, detail, headers = problem_of(error)
            if code == "internal":
                identity = request_id_of(request.scope)
                log.exception("a read route failed", extra={"request_id": identity})
            return problem_response(request.scope, code, detail, headers)
