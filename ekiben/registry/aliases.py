"""The production alias: one small file per use case."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, ValidationError

from ekiben.errors import CorruptAlias, StoreUnavailable, UnknownModel
from ekiben.registry.files import locked, replace_file
from ekiben.registry.tags import NAME, check_name, split_tag
from ekiben.schemas.model_card import Record


class Alias(Record):
    """Which version answers, by tag and artefact digest, since when, and which did before."""

    tag: str
    digest: str
    since: AwareDatetime
    previous: str | None = None


@dataclass(frozen=True)
class Production:
    """The production aliases kept under one directory, which is made at the first move."""

    path: Path

    @classmethod
    def at(cls, home: Path) -> "Production":
        """Return the production aliases of a BENTOML_HOME."""
        return cls(home / "ekiben" / "production")

    def find(self, use_case: str) -> Alias | None:
        """Return the alias of *use_case*, None before its first promotion.

        Raises:
            CorruptAlias: the file is there and does not hold an alias.
        """
        path = self._file(use_case)
        try:
            alias = Alias.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnavailable(f"{path.name} cannot be read: {error}") from error
        except ValidationError:
            raise CorruptAlias(use_case, path) from None
        if not _is_version_of(use_case, alias.tag):
            raise CorruptAlias(use_case, path)
        return alias

    def move(self, use_case: str, tag: str, digest: str, at: datetime) -> Alias:
        """Point production of *use_case* at *tag*; again for the same changes nothing.

        Raises:
            UnknownModel: *tag* is no version of *use_case*.
            StoreUnavailable: the alias could not be written and is where it was.
        """
        path = self._file(use_case)
        if not _is_version_of(use_case, tag):
            raise UnknownModel(tag)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with locked(self.path / ".lock"):
                old = self.find(use_case)
                if old and (old.tag, old.digest) == (tag, digest):
                    return old
                previous = old.tag if old else None
                new = Alias(tag=tag, digest=digest, since=at, previous=previous)
                content = new.model_dump_json(indent=1).encode() + b"\n"
                replace_file(path, content, scratch=path.with_suffix(".new"))
        except OSError as error:
            raise StoreUnavailable(f"{use_case} not moved: {error}") from error
        return new

    def all(self) -> dict[str, Alias]:
        """Return every use case's alias, by name.

        Raises:
            CorruptAlias: a file does not hold an alias.
        """
        names = sorted(path.stem for path in self.path.glob("*.json"))
        found = {name: self.find(name) for name in names if NAME.fullmatch(name)}
        return {name: alias for name, alias in found.items() if alias}

    def _file(self, use_case: str) -> Path:
        return self.path / f"{check_name(use_case)}.json"


def _is_version_of(use_case: str, tag: str) -> bool:
    try:
        return split_tag(tag)[0] == use_case
    except UnknownModel:
        return False
