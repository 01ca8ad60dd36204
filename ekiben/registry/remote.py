"""A model store elsewhere: object storage, or any file system that fsspec reaches.

    blobs/SHA256                 one file of one or more versions
    models/NAME/VERSION.json     a manifest, written last and once

Files are named by what they hold, so that two who push at once write the same bytes or
different names, and nothing that a store says becomes a path on this host.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ekiben.errors import EkibenError, RemoteStoreFailed
from ekiben.registry import files as on_disk
from ekiben.registry.files import Mismatch
from ekiben.registry.manifest import MANIFEST_BYTES, Manifest, parse, render
from ekiben.registry.tags import split_tag
from ekiben.schemas.model_card import FileDigest

SHA256 = re.compile(r"[0-9a-f]{64}")
_PATIENCE = {"connect_timeout": 5, "read_timeout": 60, "retries": {"max_attempts": 3}}
OPTIONS: Mapping[str, Mapping[str, Any]] = {"s3": {"config_kwargs": _PATIENCE}}
"""What object storage is opened with, by protocol: a store that is away is told of in time."""


@dataclass(frozen=True)
class RemoteStore:
    """Versions below *root* of an fsspec file system; `url` is what people call it."""

    url: str
    files: Any
    root: str

    @classmethod
    def at(cls, url: str) -> "RemoteStore":
        """Return the store at *url*, such as `s3://bucket/models` or `file:///mnt/models`.

        Raises:
            RemoteStoreFailed: nothing here reaches such addresses.
        """
        from fsspec.core import url_to_fs

        shown = _without_secret(url)
        if "://" not in url:
            raise RemoteStoreFailed(
                f"{shown}: write s3://BUCKET/FOLDER or file:///FOLDER"
            )
        if ":" in urlsplit(url).netloc.rpartition("@")[0]:
            raise RemoteStoreFailed(f"{shown}: no secret belongs into an address")
        try:
            options = OPTIONS.get(url.partition("://")[0], {})
            files, root = url_to_fs(url, use_listings_cache=False, **options)
        except ImportError as error:
            scheme = url.partition("://")[0]
            raise RemoteStoreFailed(
                f"{scheme}:// needs another package: {error}; "
                "s3:// comes with the extra object-storage"
            ) from None
        except Exception as error:
            raise RemoteStoreFailed(f"{shown}: {_line(error)}") from None
        return cls(shown, files, root.rstrip("/"))

    def manifest(self, tag: str) -> Manifest | None:
        """Return the manifest of *tag* as it lies there; None where there is none.

        Raises:
            Mismatch: it is damaged, or of another version.
            RemoteStoreFailed: the store does not answer.
        """
        path = self._manifest_path(tag)
        with self._reached():
            try:
                content = self._read(path, MANIFEST_BYTES)
            except FileNotFoundError:
                return None
        found = parse(content)
        if found.card.tag != tag:
            raise Mismatch(f"the manifest is of {found.card.tag}")
        return found

    def read(self, name: str, expected: FileDigest) -> bytes:
        """Return the bytes of the file *name* of a version when they are the *expected* ones.

        Raises:
            Mismatch: they are missing, or others.
            RemoteStoreFailed: the store does not answer.
        """
        with self._reached():
            try:
                content = self._read(self._blob_path(expected), expected.bytes)
            except FileNotFoundError:
                raise Mismatch(f"{name} is missing in {self.url}") from None
        if on_disk.digest(content) != expected:
            raise Mismatch(f"{name} in {self.url} has another sha256 or size")
        return content

    def holds(self, expected: FileDigest) -> bool:
        """Whether a file of that digest and size lies there; it is not read."""
        with self._reached():
            try:
                size = self.files.info(self._blob_path(expected))["size"]
            except FileNotFoundError:
                return False
        return bool(size == expected.bytes)

    def write(self, expected: FileDigest, content: bytes) -> None:
        """Put a file there under its digest."""
        self._put(self._blob_path(expected), content)

    def publish(self, manifest: Manifest, *, replace: bool = False) -> None:
        """Put the manifest there, which makes the version visible, unless one is there.

        *replace* is for a manifest there that nobody can read.
        """
        path = self._manifest_path(manifest.card.tag)
        with suppress(FileExistsError):
            self._put(path, render(manifest), mode="overwrite" if replace else "create")

    def _put(self, path: str, content: bytes, mode: str = "overwrite") -> None:
        with self._reached():
            try:
                self.files.pipe_file(path, content, mode=mode)
            except FileNotFoundError:
                if set(OPTIONS) & set(_protocols(self.files)):  # no folder but a bucket
                    raise RemoteStoreFailed(f"{self.url}: no such bucket") from None
                self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self.files.pipe_file(path, content, mode=mode)

    def _read(self, path: str, limit: int) -> bytes:
        # One byte more than there should be tells a longer file without reading all of it.
        if self.files.info(path)["size"] == 0:
            return b""
        return bytes(self.files.cat_file(path, start=0, end=limit + 1))

    def _manifest_path(self, tag: str) -> str:
        name, version = split_tag(tag)
        return f"{self.root}/models/{name}/{version}.json"

    def _blob_path(self, expected: FileDigest) -> str:
        if not SHA256.fullmatch(expected.sha256):
            raise Mismatch(f"{expected.sha256!r} is no sha256")
        return f"{self.root}/blobs/{expected.sha256}"

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, FileExistsError, Mismatch, EkibenError):
            raise
        except Exception as error:  # each protocol has a tree of its own
            raise RemoteStoreFailed(f"{self.url}: {_line(error)}") from error


def _protocols(files: Any) -> tuple[str, ...]:
    named = files.protocol
    return (named,) if isinstance(named, str) else tuple(named)


def _without_secret(url: str) -> str:
    """Return *url* without what may stand before its host: `s3://key:secret@bucket`."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _line(error: Exception) -> str:
    told = " ".join(str(error).split()) or "no reason given"
    return f"{type(error).__name__}: {told}"
