"""The manifest of a version: its card, its golden predictions, the digest of every file, and its own."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn

from pydantic import ValidationError, field_validator

from ekiben.registry.canonical import digest_json
from ekiben.registry.files import (
    Mismatch,
    open_entry,
    opened,
    read_file,
    read_tree,
)
from ekiben.schemas.model_card import FileDigest, Golden, ModelCard, Record

MANIFEST = "manifest.json"
NEWEST = 2
"""The newest format of a manifest that this code reads."""
MANIFEST_BYTES = 16 * 1024 * 1024
"""More than any manifest needs: a bound on what is read before anything is checked."""

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Manifest(Record):
    """What was registered under one tag."""

    format: Literal[1, 2] = 1
    """2: the card says how the version is compiled, which older code does not know."""
    card: ModelCard
    files: dict[str, FileDigest]
    """Relative POSIX path to digest: every file of the version but the manifest."""
    golden: list[Golden]
    digest: str
    """sha256 of the canonical JSON of all other fields: the artefact digest."""

    @property
    def bytes(self) -> int:
        """The size of all files but the manifest."""
        return sum(file.bytes for file in self.files.values())

    @field_validator("card")
    @classmethod
    def _has_time_zone(cls, card: ModelCard) -> ModelCard:
        if card.trained_at.tzinfo is None:
            raise ValueError("trained_at has no time zone")
        return card


def seal(
    card: ModelCard, files: Mapping[str, FileDigest], golden: Sequence[Golden]
) -> Manifest:
    """Make the manifest, its digest included.

    Raises:
        ValueError: a figure is NaN or infinite, or a time has no zone.
    """
    unsealed = Manifest(
        format=1 if card.compiled is None else 2,
        card=card,
        files=dict(files),
        golden=list(golden),
        digest="",
    )
    document = unsealed.model_dump(mode="json", exclude={"digest"})
    return unsealed.model_copy(update={"digest": _digest(document)})


def render(manifest: Manifest) -> bytes:
    """Return the bytes of the manifest's file."""
    return _render(manifest.model_dump(mode="json"))


def parse(content: bytes) -> Manifest:
    """Return the manifest that `render` wrote.

    Raises:
        Mismatch: a byte differs from what was written, or the digest is wrong.
    """
    try:
        document = json.loads(content, parse_constant=_refuse)
        _check_format(document)
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Mismatch(f"{MANIFEST}: {place}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise Mismatch(f"{MANIFEST} is not JSON") from None
    # An escape or an exponent may be spelt in two ways; only one of them was written.
    if content != _render(document):
        raise Mismatch(f"{MANIFEST} is not as it was written")
    if _digest(document) != document.pop("digest"):
        raise Mismatch(f"{MANIFEST} has a wrong digest")
    return manifest


def read_manifest(directory: Path) -> Manifest:
    """Return the manifest of a version's *directory*; no other file is looked at.

    Raises:
        Mismatch: it is missing or not what was written.
    """
    with opened(directory, DIRECTORY) as fd:
        return _read_manifest(fd)


def read_version(directory: Path) -> tuple[Manifest, dict[str, bytes]]:
    """Return manifest and files of a version, all checked, each opened once.

    What is returned is what was hashed, so a file replaced meanwhile changes nothing.

    Raises:
        Mismatch: a file is missing, extra, a symlink, or not what was registered.
    """
    with opened(directory, DIRECTORY) as fd:
        manifest = _read_manifest(fd)
        files = read_tree(fd, manifest.files, skip=MANIFEST)
    for name in manifest.files:
        if name not in files:
            raise Mismatch(f"{name} is missing")
    return manifest, files


def _read_manifest(directory: int) -> Manifest:
    with open_entry(directory, MANIFEST) as fd:
        return parse(read_file(fd, MANIFEST, MANIFEST_BYTES))


def _digest(document: dict[str, Any]) -> str:
    sealed = {name: value for name, value in document.items() if name != "digest"}
    return digest_json(sealed)


def _render(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1, allow_nan=False).encode() + b"\n"


def _check_format(document: Any) -> None:
    """Say what is the matter with a manifest that a newer Ekiben wrote."""
    found = document.get("format") if isinstance(document, dict) else None
    if isinstance(found, int) and found > NEWEST:
        raise Mismatch(
            f"{MANIFEST} has format {found}, this Ekiben reads up to {NEWEST}: "
            "a newer one registered it"
        )


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
