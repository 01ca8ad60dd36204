"""Where this process listens, whether that calls for authentication, and for what else."""

import errno
import os
import socket
import tempfile
from collections.abc import Mapping

import click

from ekiben.access.loopback import is_loopback
from ekiben.errors import InvalidSettings
from ekiben.settings import Settings

EVERYWHERE = "0.0.0.0"
"""What `bentoml serve` binds when no host is named."""
FOR_GOOD = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST)
"""What does not pass by itself, as a full disk does."""


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


def check_place_of_keys(settings: Settings) -> None:
    """Make sure that the API keys' table, which is beside the ledger, can be there.

    Raises:
        InvalidSettings: it never will; a server that asks for keys could not get ready.
    """
    file = settings.ledger_file
    if settings.database_url or file.exists():
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        if error.errno in FOR_GOOD:
            raise InvalidSettings(
                "EKIBEN_DATABASE_URL: is not set, and keys cannot be kept in "
                f"{file.parent}: {error.strerror}"
            ) from None
