"""Built Bentos in the store: found by an exact name, read, and checked before use."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ekiben.errors import BuildRefused, UnknownBento
from ekiben.packaging.refusals import check_value
from ekiben.registry.packed import BENTO_FILE

TAG = re.compile(r"[a-z0-9][a-z0-9._-]*(:[a-z0-9][a-z0-9._-]*)?")
DOCKERFILE = Path("env") / "docker" / "Dockerfile"
TEMPLATE = Path("env") / "docker" / "Dockerfile.template"
LOCKS = (Path("src/requirements-serving.lock"), Path("src/requirements-image.lock"))


@dataclass(frozen=True)
class Bento:
    """A Bento in the store, by its exact tag."""

    tag: str
    path: Path
    created: str
    """When it was built, RFC 3339."""
    models: tuple[str, ...]
    """The exact tags inside."""
    python: str
    system_packages: tuple[str, ...]

    @property
    def dockerfile(self) -> Path:
        """What its image is built by."""
        return self.path / DOCKERFILE


def find_bento(home: Path, name: str, tag: str | None = None) -> Bento:
    """Return the Bento *tag*: `NAME:VERSION`, a version of *name*, or None: its newest.

    A version may be shortened as long as only one fits.

    Raises:
        UnknownBento: there is none, or more than one.
        BuildRefused: it was not built from our template, or what is written in it could
            become a command.
    """
    if tag is not None and not TAG.fullmatch(tag):
        raise UnknownBento(tag, "that is no tag")
    given, colon, version = (tag or "").rpartition(":")
    folder = home / "bentos" / (given if colon else name)
    if not tag:
        latest = folder / "latest"
        if not latest.is_file():
            raise UnknownBento(name, "none was built; `ekiben build` builds one")
        version = latest.read_text(encoding="utf-8").strip()
    return read_bento(_of_version(folder, version))


def _of_version(folder: Path, version: str) -> Path:
    if (folder / version / BENTO_FILE).is_file():
        return folder / version
    found = sorted(one.parent for one in folder.glob(f"{version}*/{BENTO_FILE}"))
    if len(found) == 1:
        return found[0]
    several = ", ".join(one.name for one in found)
    reason = f"it may be any of {several}" if found else "it is not in the store"
    raise UnknownBento(f"{folder.name}:{version}", reason)


def read_bento(path: Path) -> Bento:
    """Read the Bento in *path*.

    Raises:
        BuildRefused: as `find_bento` says.
    """
    told = yaml.safe_load((path / BENTO_FILE).read_text(encoding="utf-8"))
    docker = told.get("docker") or {}
    missing = [one for one in (TEMPLATE, *LOCKS) if not (path / one).is_file()]
    if missing:
        raise BuildRefused(
            f"{missing[0].name} is missing: build it by this project's bentofile.yaml",
            path,
        )
    _check(told, docker)
    return Bento(
        tag=f"{told['name']}:{told['version']}",
        path=path,
        created=str(told["creation_time"]),
        models=_models(told),
        python=str(docker.get("python_version") or ""),
        system_packages=tuple(docker.get("system_packages") or ()),
    )


def _check(told: Mapping[str, Any], docker: Mapping[str, Any]) -> None:
    for name, value in (told.get("labels") or {}).items():
        check_value(f"label {name}", f"{name}{value}")
    for name, value in docker.items():
        # Lists and mappings are shown with quotation marks of their own.
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        for part in parts if isinstance(parts, list) else [parts]:
            check_value(f"docker.{name}", str(part))


def _models(told: Mapping[str, Any]) -> tuple[str, ...]:
    tags = [one["tag"] for part in told["services"] for one in part["models"]]
    tags += [one["tag"] for one in told.get("models") or ()]
    return tuple(dict.fromkeys(str(tag) for tag in tags))
