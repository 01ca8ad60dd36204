"""Public files to a local cache: checked by sha256, and quick to give up where no network is."""

import hashlib
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from ekiben.errors import DownloadFailed

CONNECT_SECONDS = 3.0
"""How long an address may take to answer at all."""
READ_SECONDS = 15.0
"""How long a download may stand still."""
RETRIES = 1

_silent_hosts: set[str] = set()
"""Hosts that did not answer in this process; five data sets must not wait five times."""


@dataclass(frozen=True)
class PublicFile:
    """A file at a pinned public address."""

    name: str
    url: str
    sha256: str
    bytes: int


class PublicFileUnavailable(DownloadFailed):
    """A public file cannot be had from its address: no network, or no such answer."""

    def __init__(self, public: PublicFile, reason: object) -> None:
        super().__init__(f"{public.name} cannot be had from {public.url}: {reason}")


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_cached(public: PublicFile, cache: Path) -> Path | None:
    """Return the cached file if it is whole."""
    path = cache / public.name
    return path if path.is_file() and sha256_of(path) == public.sha256 else None


def fetch(public: PublicFile, cache: Path) -> Path:
    """Return the file from *cache*, downloaded where it is not there yet.

    A host that once did not answer is not asked again in this process.

    Raises:
        PublicFileUnavailable: within seconds, if nothing answers at the address.
        DownloadFailed: the checksum is wrong, or the cache cannot be written.
    """
    if found := find_cached(public, cache):
        return found
    host = urlsplit(public.url).netloc
    if host in _silent_hosts:
        raise PublicFileUnavailable(public, f"{host} failed before")
    try:
        _knock(public)
        return _download(public, cache)
    except PublicFileUnavailable:
        _silent_hosts.add(host)
        raise


def _knock(public: PublicFile) -> None:
    """Ask for the headers; a name look-up that hangs is given up as well.

    A connect timeout alone would count once for every address of the host.
    """
    failures: list[object] = [f"no answer in {CONNECT_SECONDS:g} s"]
    thread = Thread(target=_ask, args=(public.url, failures), daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS + 1.0)
    if failures:
        raise PublicFileUnavailable(public, failures[-1])


def _ask(url: str, failures: list[object]) -> None:
    """Clear *failures* if anything answers, else add the reason."""
    try:
        urlopen(Request(url, method="HEAD"), timeout=CONNECT_SECONDS).close()
    except HTTPError as answer:
        answer.close()
    except URLError as error:
        # The certificates that requests brings may be newer than the system's.
        if not isinstance(error.reason, ssl.SSLError):
            failures.append(error.reason)
            return
    except (OSError, ValueError) as error:
        failures.append(error)
        return
    failures.clear()


def _download(public: PublicFile, cache: Path) -> Path:
    pooch = _pooch()
    pooch.get_logger().setLevel("WARNING")  # it would write over the progress bar
    try:
        cache.mkdir(parents=True, exist_ok=True)
        found = pooch.create(
            cache,
            base_url="",
            registry={public.name: f"sha256:{public.sha256}"},
            urls={public.name: public.url},
            retry_if_failed=RETRIES,
        ).fetch(public.name, downloader=_downloader())
    except ValueError as error:
        raise DownloadFailed(f"{public.url}: {error}") from None
    except OSError as error:
        # Requests' errors are OSErrors without a number; the disk's have one.
        if error.errno is None:
            raise PublicFileUnavailable(public, error) from None
        raise DownloadFailed(f"{public.name} cannot be kept: {error}") from None
    return Path(found)


def _pooch() -> Any:
    """Return pooch; a server, which downloads nothing, is installed without it."""
    try:
        import pooch
    except ImportError:
        raise DownloadFailed("pooch is missing: install ekiben[training]") from None
    return pooch


def _downloader() -> Any:
    return _pooch().HTTPDownloader(
        progressbar=sys.stderr.isatty(),
        chunk_size=64 * 1024,
        timeout=(CONNECT_SECONDS, READ_SECONDS),
    )
