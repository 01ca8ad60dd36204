"""The model store: the only door to BentoML's."""

import errno
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ekiben.errors import (
    ArtefactDiffers,
    ArtefactRefused,
    EkibenError,
    StoreUnavailable,
    UnknownModel,
    VersionExists,
)
from ekiben.registry.estimator import load_estimator
from ekiben.registry.files import (
    Mismatch,
    locked,
    replace_file,
    sync,
)
from ekiben.registry.libraries import differing_libraries, running_libraries
from ekiben.registry.manifest import (
    MANIFEST,
    Manifest,
    read_manifest,
    read_version,
)
from ekiben.registry.saving import CONTAINER, lay_out, new_tag, prepare
from ekiben.registry.staging import workspace
from ekiben.registry.tags import NAME, check_name, split_tag
from ekiben.schemas.model_card import Golden, ModelCard

log = logging.getLogger(__name__)

REMOVING = ".removing"
"""The lock file of whoever removes versions, or counts on one to stay."""


@dataclass(frozen=True)
class Version:
    """A version in memory: exactly the bytes that its manifest vouches for."""

    tag: str
    manifest: Manifest
    files: Mapping[str, bytes]

    @cached_property
    def estimator(self) -> Any:
        """The estimator, unpickled when first asked for.

        Raises:
            ArtefactRefused: it cannot be loaded.
        """
        with _refusing(self.tag):
            return load_estimator(self.files)


@dataclass(frozen=True)
class Store:
    """BentoML's model store, with exact tags and versions that are whole or absent.

    `staging` is where versions are prepared; it must be on the file system of `models`.
    """

    models: Path
    staging: Path

    @classmethod
    def at(cls, home: Path) -> "Store":
        """Return the store of a BENTOML_HOME; nothing is made until a version is."""
        return cls(home / "models", home / "ekiben" / "staging")

    @classmethod
    def of_bentoml(cls) -> "Store":
        """Return the store that BentoML uses in this process: a Bento's own inside one."""
        from bentoml._internal.configuration.containers import BentoMLContainer

        with CONTAINER:
            return cls.at(BentoMLContainer.model_store.get()._path.parent)

    def register(
        self,
        use_case: str,
        estimator: Any,
        *,
        make_card: Callable[[str], ModelCard],
        golden: Sequence[Golden],
        extras: Mapping[str, bytes] | None = None,
        version: str | None = None,
    ) -> Manifest:
        """Save *estimator* as a new version, all at once; *make_card* is given its tag.

        *extras* are further files, by relative POSIX path; the manifest covers them.

        Raises:
            VersionExists: another registered that *version* first.
            StoreUnavailable: it could not be written; nothing is visible.
        """
        tag = new_tag(check_name(use_case), version)
        card = make_card(tag)
        if (card.tag, card.use_case) != (tag, use_case):
            raise ValueError(f"the card of {tag} is about {card.tag}, {card.use_case}")
        if os.path.lexists(self._directory(tag)):
            raise VersionExists(tag)
        try:
            with workspace(self.staging) as scratch:
                manifest = prepare(scratch, card, estimator, golden, extras or {})
                self._publish(scratch, tag)
        except OSError as error:
            raise StoreUnavailable(f"{tag} not registered: {error}") from error
        return manifest

    def adopt(self, manifest: Manifest, fetch: Callable[[str], bytes]) -> bool:
        """Take up a version that another store registered; False if it is here already.

        *fetch* returns the bytes of one of its files. All of them are checked against
        the manifest before any reader sees the version.

        Raises:
            ArtefactDiffers: another artefact has that tag here.
            ArtefactRefused: a file, here or as fetched, is not what was registered.
            StoreUnavailable: it could not be written; nothing is visible.
        """
        tag = manifest.card.tag
        if os.path.lexists(self._directory(tag)):
            self._check_same(manifest)
            return False
        try:
            with workspace(self.staging) as scratch:
                lay_out(scratch.joinpath(*split_tag(tag)), manifest, fetch)
                self._publish(scratch, tag)
        except Mismatch as error:
            raise ArtefactRefused(tag, str(error)) from None
        except VersionExists:  # another process took it up meanwhile
            self._check_same(manifest)
            return False
        except OSError as error:
            raise StoreUnavailable(f"{tag} not taken up: {error}") from error
        return True

    def tags(self, use_case: str | None = None) -> list[str]:
        """Return the tags of one use case or all, by use case, newest last.

        What is not a version of ours is passed over with a warning.
        """
        names = _directories(self.models) if use_case is None else [use_case]
        return [tag for name in names for tag in self._tags(name)]

    def entries(self, use_case: str) -> list[str]:
        """Return the tags of all that lies there for *use_case*, sound or not."""
        names = _directories(self.models / check_name(use_case))
        return [f"{use_case}:{name}" for name in names]

    def manifest(self, tag: str) -> Manifest:
        """Return the manifest of *tag*; the other files are not looked at.

        Raises:
            UnknownModel: no version has exactly that tag.
            ArtefactRefused: the manifest is not what was registered.
        """
        with _refusing(tag):
            return _of(tag, read_manifest(self._directory(tag)))

    def verify(self, tag: str) -> Manifest:
        """Check every file of *tag* against its manifest, and return it.

        Raises:
            UnknownModel: no version has exactly that tag.
            ArtefactRefused: a file is not what was registered.
        """
        return self.read(tag)[0]

    def read(self, tag: str) -> tuple[Manifest, dict[str, bytes]]:
        """Return manifest and files of *tag*, every digest checked, nothing parsed.

        Raises:
            UnknownModel: no version has exactly that tag.
            ArtefactRefused: a file is not what was registered.
        """
        with _refusing(tag):
            manifest, files = read_version(self._directory(tag))
            return _of(tag, manifest), files

    def load(self, tag: str) -> Version:
        """Load *tag* with its estimator; no byte is unpickled before all digests are right.

        Raises:
            UnknownModel: no version has exactly that tag.
            ArtefactRefused: a file is not what was registered, or cannot be loaded.
        """
        version = self.open(tag)
        _ = version.estimator
        return version

    def open(self, tag: str) -> Version:
        """Return *tag* with all digests checked; nothing is parsed or unpickled yet.

        Raises:
            UnknownModel: no version has exactly that tag.
            ArtefactRefused: a file is not what was registered.
        """
        manifest, files = self.read(tag)
        differing = differing_libraries(manifest.card.libraries, running_libraries())
        if differing:
            facts = {"tag": tag, "differing": differing}
            log.warning("other libraries than at training", extra=facts)
        return Version(tag, manifest, files)

    def remove(self, tag: str) -> None:
        """Remove a version: at once for every reader, then from the disk.

        Raises:
            UnknownModel: no version has exactly that tag.
            StoreUnavailable: it could not be removed.
        """
        with _refusing(tag), workspace(self.staging) as scratch:
            self._directory(tag).rename(scratch / "removed")
            sync(self._directory(tag).parent)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep other processes on this host from removing versions meanwhile.

        Raises:
            StoreUnavailable: the lock file cannot be made.
        """
        with ExitStack() as held:
            try:
                self.staging.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(self.staging / REMOVING))
            except OSError as error:
                raise StoreUnavailable(
                    f"the model store cannot be locked: {error.strerror}"
                ) from error
            yield

    def _check_same(self, manifest: Manifest) -> None:
        here = self.verify(manifest.card.tag)
        if here.digest != manifest.digest:
            raise ArtefactDiffers(
                here.card.tag, "this store", here.digest, manifest.digest
            )

    def _directory(self, tag: str) -> Path:
        return self.models.joinpath(*split_tag(tag))

    def _tags(self, name: str) -> list[str]:
        found: list[tuple[Any, str]] = []
        for version in _directories(self.models / check_name(name)):
            tag = f"{name}:{version}"
            try:
                found.append((self.manifest(tag).card.trained_at, tag))
            except EkibenError as error:
                facts = {"tag": tag, "reason": str(error)}
                log.warning("not a registered version", extra=facts)
        return [tag for _, tag in sorted(found)]

    def _publish(self, scratch: Path, tag: str) -> None:
        name, version = split_tag(tag)
        series = self.models / name
        series.mkdir(parents=True, exist_ok=True)
        sync(self.models)
        try:
            (scratch / name / version).rename(series / version)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise VersionExists(tag) from None
            raise
        sync(series)
        try:
            latest = scratch / ".latest"
            replace_file(series / "latest", version.encode(), scratch=latest)
        except OSError as error:
            # Only `bentoml models get name:latest` reads it; the version itself stands.
            facts = {"tag": tag, "reason": str(error)}
            log.warning("BentoML's latest was not moved", extra=facts)


def _of(tag: str, manifest: Manifest) -> Manifest:
    if manifest.card.tag != tag:
        raise Mismatch(f"{MANIFEST} is of {manifest.card.tag}")
    return manifest


def _directories(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            found = [entry.name for entry in entries if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreUnavailable(f"{path.name} cannot be listed: {error}") from error
    return sorted(name for name in found if NAME.fullmatch(name))


@contextmanager
def _refusing(tag: str) -> Iterator[None]:
    try:
        yield
    except Mismatch as error:
        raise ArtefactRefused(tag, str(error)) from None
    except FileNotFoundError:
        raise UnknownModel(tag) from None
    except NotADirectoryError:
        raise ArtefactRefused(tag, "is not a directory of its own") from None
    except OSError as error:
        raise StoreUnavailable(f"{tag} cannot be read: {error}") from error
