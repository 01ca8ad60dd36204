"""Where the pepper comes from: a setting, or a file beside the SQLite database."""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from ekiben.access.keys import Pepper
from ekiben.errors import PepperMissing, PepperUnsafe
from ekiben.settings import Settings

LEAST_CHARACTERS = 32
FILE = "key-pepper"


def pepper_of(settings: Settings) -> Pepper:
    """Return the pepper: EKIBEN_KEY_PEPPER, else that of a file which is made when missing.

    Raises:
        PepperMissing: the database is PostgreSQL, and hosts that share it would each
            make a pepper of their own; or the file can be neither read nor made.
        PepperUnsafe: others may read the file, or it is cut short.
    """
    if settings.key_pepper is not None:
        return Pepper(settings.key_pepper.encode())
    if not settings.ledger_url.startswith("sqlite:"):
        raise PepperMissing("set EKIBEN_KEY_PEPPER, the same on every host")
    file = settings.home / "ekiben" / FILE
    try:
        return Pepper(_read(file) if file.exists() else _make(file))
    except OSError as error:
        raise PepperMissing(f"{file}: {error.strerror}") from None


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        others = stat.S_IMODE(os.fstat(opened.fileno()).st_mode) & 0o077
        secret = opened.read().strip()
    if others:
        raise PepperUnsafe(f"{file} is open to others; chmod 600 it")
    if len(secret) < LEAST_CHARACTERS:
        raise PepperUnsafe(f"{file} has less than {LEAST_CHARACTERS} characters")
    return secret


def _make(file: Path) -> bytes:
    """Make the file whole or not at all; of several processes the first wins."""
    file.parent.mkdir(parents=True, exist_ok=True)
    mine = file.with_name(f".{FILE}-{secrets.token_hex(8)}")
    descriptor = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(secrets.token_urlsafe(48).encode() + b"\n")
            opened.flush()
            os.fsync(opened.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(mine, file)
    finally:
        mine.unlink()
    return _read(file)
