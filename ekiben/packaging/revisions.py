"""What is deployed is kept for as long as it is: a Bento and its models, as a store of their own."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ekiben.errors import DeployRefused
from ekiben.packaging.bentos import Bento
from ekiben.registry.packed import Packed, read_packed
from ekiben.registry.tags import split_tag


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
        for tag in bento.models:
            name, version = split_tag(tag)
            _copy(home / "models" / name / version, place / "models" / name / version)
    except OSError as error:
        raise DeployRefused(f"{bento.tag}: {error}") from None


def production_of(bento: Bento, served: Sequence[str]) -> dict[str, str]:
    """Return what answers by the Bento's pins: use case to tag, of those *served*; none: all."""
    packed = read_packed(bento.path / "src") or Packed({})
    pins = packed.production
    return {name: tag for name, tag in pins.items() if not served or name in served}


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
