"""Puts the entrance of one worker together: open, or kept by keys and tokens."""

from collections.abc import Iterable, Sequence
from functools import partial

from starlette.routing import BaseRoute

from ekiben.access.database import KeyDatabase
from ekiben.access.jwks import KeySet
from ekiben.access.pepper import pepper_of
from ekiben.access.quotas import Quotas
from ekiben.access.tokens import ALGORITHMS, Terms
from ekiben.errors import InvalidSettings
from ekiben.serving.access_checks import AccessChecks, Doorkeeper, OpenDoor
from ekiben.serving.access_follower import AccessFollower
from ekiben.serving.needs import Routes, needs_of
from ekiben.settings import Settings


def check(settings: Settings) -> None:
    """Refuse what would keep an entrance from being made, before a worker tries.

    Raises:
        InvalidSettings, PepperMissing, PepperUnsafe: in one line.
    """
    pepper_of(settings)
    tokens_of(settings)


def make_access_checks(
    settings: Settings,
    routes: Iterable[BaseRoute],
    behind: Sequence[str],
    *,
    required: bool,
) -> AccessChecks:
    """Return who lets requests in to *routes* and the paths *behind*, and start following.

    Raises:
        InvalidSettings, PepperMissing, PepperUnsafe: as `check` says.
    """
    if not required:
        return OpenDoor()
    quotas = Quotas()
    keeper = Doorkeeper(Routes(routes, behind, needs_of(settings)), quotas, settings)
    AccessFollower(
        partial(KeyDatabase.open, settings.ledger_url),
        pepper_of(settings),
        keeper,
        quotas,
        tokens=tokens_of(settings),
    ).start()
    return keeper


def tokens_of(settings: Settings) -> tuple[Terms, KeySet] | None:
    """Return which tokens are taken, None: none.

    Raises:
        InvalidSettings: it is not said whose tokens, or with which algorithms.
    """
    if settings.jwt_jwks is None:
        return None
    if not settings.jwt_issuer or not settings.jwt_audience:
        raise InvalidSettings(
            "EKIBEN_JWT_JWKS needs EKIBEN_JWT_ISSUER and EKIBEN_JWT_AUDIENCE"
        )
    algorithms = settings.jwt_algorithms
    if not algorithms or not set(algorithms) <= set(ALGORITHMS):
        raise InvalidSettings(f"EKIBEN_JWT_ALGORITHMS: only of {', '.join(ALGORITHMS)}")
    terms = Terms(settings.jwt_issuer, settings.jwt_audience, algorithms)
    return terms, KeySet(settings.jwt_jwks, algorithms)
