"""Local rollbacks: which version a pinned server answers with instead of its pin, in one small file."""

import json
from dataclasses import dataclass
from pathlib import Path

from ekiben.errors import StoreUnavailable
from ekiben.registry.files import locked, replace_file
from ekiben.registry.tags import split_tag


@dataclass(frozen=True)
class LocalRollbacks:
    """Use case to tag, kept in *path*; for a host that is cut off from the ledger."""

    path: Path

    @classmethod
    def at(cls, home: Path) -> "LocalRollbacks":
        """Return the local rollbacks of a BENTOML_HOME."""
        return cls(home / "ekiben" / "local-rollbacks.json")

    def position(self) -> int:
        """Return a number that changes with every change of the file; 0 without one."""
        try:
            return self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def read(self) -> dict[str, str]:
        """Return use case to exact tag.

        Raises:
            StoreUnavailable: the file cannot be read or does not hold that.
        """
        try:
            found = json.loads(self.path.read_bytes())
            return {str(name): ":".join(split_tag(tag)) for name, tag in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise StoreUnavailable(f"{self.path.name}: {error}") from None

    def set(self, use_case: str, tag: str) -> None:
        """Let a pinned server answer *use_case* with *tag*.

        Raises:
            StoreUnavailable: it could not be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.path.with_suffix(".lock")):
                content = json.dumps(self.read() | {use_case: tag}, indent=1) + "\n"
                scratch = self.path.with_suffix(".new")
                replace_file(self.path, content.encode(), scratch=scratch)
        except OSError as error:
            raise StoreUnavailable(f"{self.path.name}: {error}") from error
