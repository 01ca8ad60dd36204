"""The Bentos of this host: found by exact name, and kept for as long as they are deployed."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from ekiben.errors import DeployRefused
from ekiben.registry.packed import BENTO_FILE, Packed, read_packed
from ekiben.registry.tags import NAME, split_tag


@dataclass(frozen=True)
class Bento:
    """A built Bento: its exact tag, where it is, and which versions it holds."""

    tag: str
    path: Path
    packed: Packed
    created: datetime


def find_bento(home: Path, asked: str | None) -> Bento:
    """Return the Bento *asked*, an exact tag or an unambiguous prefix; None: the newest.

    Raises:
        DeployRefused: there is none, or more than one.
    """
    found = [one for one in _bentos(home) if asked is None or _fits(one, asked)]
    if not found:
        named = f"no Bento {asked!r}" if asked else "no Bento"
        raise DeployRefused(f"there is {named} in {home}; `ekiben build` makes one")
    exact = [one for one in found if one.tag == asked]
    if asked is None:
        return max(found, key=lambda one: one.created)
    if len(found) > 1 and not exact:
        tags = ", ".join(sorted(one.tag for one in found))
        raise DeployRefused(f"{asked!r} may be any of: {tags}")
    return (exact or found)[0]


def keep_bento(bento: Bento, home: Path, place: Path, *, models: bool) -> None:
    """Put *bento* into *place* as a store of its own, with its *models* or those of *home*.

    What lies there is not changed by `bentoml delete` or `ekiben prune`. Files are
    linked where the file system allows it: nothing writes into a Bento or a version.

    Raises:
        DeployRefused: a model is not there, or nothing can be written.
    """
    try:
        name, version = split_tag(bento.tag)
        _copy(bento.path, place / "bentos" / name / version)
        if not models:
            (place / "models").symlink_to(home / "models")
            return
        for tag in bento.packed.tags:
            name, version = split_tag(tag)
            _copy(home / "models" / name / version, place / "models" / name / version)
    except OSError as error:
        raise DeployRefused(f"{bento.tag}: {error}") from None


def production_of(bento: Bento, settings: Mapping[str, str]) -> dict[str, str]:
    """Return what answers by the Bento's pins: use case to tag, of those served."""
    served = settings.get("EKIBEN_MODELS", "").replace(",", " ").split()
    pins = bento.packed.production
    return {name: tag for name, tag in pins.items() if not served or name in served}


def _bentos(home: Path) -> list[Bento]:
    found = [_read(path) for path in (home / "bentos").glob(f"*/*/{BENTO_FILE}")]
    return [one for one in found if one]


def _read(file: Path) -> Bento | None:
    packed = read_packed(file.parent / "src")
    if packed is None or not packed.production:
        return None
    described = yaml.safe_load(file.read_text(encoding="utf-8"))
    tag = f"{described['name']}:{described['version']}"
    created = datetime.fromisoformat(str(described["creation_time"]))
    return Bento(tag, file.parent, packed, created)


def _fits(bento: Bento, asked: str) -> bool:
    name, _, version = asked.rpartition(":")
    if not version or not NAME.fullmatch(version):
        raise DeployRefused(f"{asked!r} is no Bento's name")
    own_name, _, own_version = bento.tag.partition(":")
    return name in ("", own_name) and own_version.startswith(version)


def _copy(source: Path, target: Path) -> None:
    if not source.is_dir():
        raise FileNotFoundError(f"{source} is not there")
    shutil.copytree(
        source,
        target,
        copy_function=_link,
        ignore=shutil.ignore_patterns("__pycache__"),
        dirs_exist_ok=True,
    )


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:
        shutil.copy2(source, target)
