"""Where this process listens, and whether that calls for authentication."""

import os
import socket
from collections.abc import Mapping

import click

from ekiben.access.loopback import is_loopback
from ekiben.errors import InvalidSettings
from ekiben.settings import Settings

EVERYWHERE = "0.0.0.0"
"""What `bentoml serve` binds when no host is named."""


def bound_host() -> str | None:
    """Return the address that this process listens on or is about to, None: not known.

    `bentoml serve` imports the service before it binds, and tells it nothing: what was
    asked for stands in its command's parameters. Its workers have the socket itself.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        return None
    given = context.params
    if isinstance(given.get("fd"), int):
        return _host_of(given["fd"])
    if "host" in given and "port" in given:
        return str(given["host"] or EVERYWHERE)
    return None


def _host_of(descriptor: int) -> str | None:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as listening:
            return str(listening.getsockname()[0])
    except (OSError, IndexError):
        return None


def auth_required(
    settings: Settings,
    host: str | None,
    environ: Mapping[str, str] = os.environ,
) -> bool:
    """Return whether a server on *host* asks for keys; an unknown host counts as reachable.

    Raises:
        InvalidSettings: it is told not to, where others may reach it.
    """
    containerized = environ.get("BENTOML_CONTAINERIZED", "").lower() == "true"
    if settings.auth != "off":
        reachable = host is None or not is_loopback(host)
        return settings.auth == "required" or containerized or reachable
    if containerized:
        raise InvalidSettings("EKIBEN_AUTH: off is not for containers")
    if host is not None and not is_loopback(host):
        raise InvalidSettings(
            f"EKIBEN_AUTH: off is for loopback addresses only, not for {host}; "
            "serve with --host 127.0.0.1, or create keys"
        )
    return False
