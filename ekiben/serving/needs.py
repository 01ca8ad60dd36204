"""Which scope each address asks for; docs/security.md holds the same table, and a test compares."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from starlette.routing import BaseRoute, Match

from ekiben.access.caller import ADMIN, FEEDBACK, PREDICT, READ
from ekiben.serving.edge import Scope
from ekiben.settings import Settings

PREDICT_PATH = "/v1/{use_case}/predict"
FEEDBACK_PATH = "/v1/{use_case}/feedback"


@dataclass(frozen=True)
class Need:
    """Any one of these scopes opens the address; none of them: it is open to everybody."""

    scopes: frozenset[str]

    @classmethod
    def any_of(cls, *scopes: str) -> "Need":
        """Make the need of one of *scopes*."""
        return cls(frozenset(scopes))


OPEN = Need.any_of()
TO_READ = Need.any_of(READ)
TO_PREDICT = Need.any_of(PREDICT)
TO_TELL = Need.any_of(FEEDBACK)
UNLISTED = Need.any_of(ADMIN)
"""What a route asks for that nobody has listed yet: the least harm until a test says so."""

MODEL = "/v1/models/{use_case}"
NEEDS: Mapping[str, Need] = MappingProxyType(
    {
        PREDICT_PATH: TO_PREDICT,
        FEEDBACK_PATH: TO_TELL,
        "/v1/models": TO_READ,
        MODEL: TO_READ,
        f"{MODEL}/performance": TO_READ,
        f"{MODEL}/params": TO_READ,
        f"{MODEL}/params/{{name}}": TO_READ,
        "/metrics": TO_READ,
        "/openapi.json": TO_READ,
        "/docs": TO_READ,
        "/docs/assets/{name}": TO_READ,
        "/redoc": TO_READ,
        # BentoML's Python client reads it before its first prediction.
        "/schema.json": Need.any_of(READ, PREDICT),
        "/": OPEN,
        "/livez": OPEN,
        "/readyz": OPEN,
        "/healthz": OPEN,
    }
)
"""By path as the routes are written. A use case in a path is always called `use_case`."""

DOCS = ("/openapi.json", "/docs", "/docs/assets/{name}", "/redoc", "/schema.json")


def needs_of(settings: Settings) -> Mapping[str, Need]:
    """Return the table as *settings* open it."""
    opened = (*DOCS * settings.open_docs, *("/metrics",) * settings.open_metrics)
    return {**NEEDS, **dict.fromkeys(opened, OPEN)}


class Routes:
    """Finds the need of an address by the routes that will answer it."""

    def __init__(
        self,
        routes: Iterable[BaseRoute],
        behind: Sequence[str],
        needs: Mapping[str, Need],
    ) -> None:
        self._routes = tuple(routes)
        self._behind = frozenset(behind)
        self._needs = needs

    def find(self, scope: Scope) -> tuple[Need, str | None] | None:
        """Return the need, and the use case in the path; None where no route is."""
        if scope["path"] in self._behind:
            return self._needs.get(scope["path"], UNLISTED), None
        for route in self._routes:
            match, found = route.matches(scope)
            if match is not Match.NONE:
                need = self._needs.get(getattr(route, "path", ""), UNLISTED)
                return need, found.get("path_params", {}).get("use_case")
        return None
