"""A version whose files are verified, and what can be told of it before it is unpickled."""

from collections.abc import Mapping
from dataclasses import dataclass

from ekiben.compatibility import prediction_differences, row_differences
from ekiben.errors import ArtefactRefused
from ekiben.holdout import read_schemas, schemas_of
from ekiben.predictor import Predictor, load_predictor
from ekiben.registry.manifest import Manifest
from ekiben.registry.store import Store
from ekiben.use_cases.use_case import Fields, UseCase

Schemas = dict[str, Fields]


@dataclass(frozen=True)
class Contender:
    """A version with the exact bytes that its manifest vouches for."""

    use_case: UseCase
    tag: str
    manifest: Manifest
    files: Mapping[str, bytes]

    @classmethod
    def read(cls, store: Store, use_case: UseCase, tag: str) -> "Contender":
        """Read *tag*, every digest checked, nothing unpickled.

        Raises:
            UnknownModel: no version has exactly that tag.
            ArtefactRefused: a file is not what was registered.
        """
        return cls(use_case, tag, *store.read(tag))

    def load(self, store: Store) -> tuple[Predictor | None, str | None]:
        """Return the predictor, its golden predictions checked, or why there is none."""
        try:
            digest = self.manifest.digest
            return load_predictor(store, self.use_case, self.tag, digest), None
        except ArtefactRefused as refusal:
            return None, refusal.reason
        except Exception as error:
            # Whatever an artefact does when it is asked, it is its verdict.
            return None, f"the golden rows cannot be answered: {type(error).__name__}"

    def changes_from_code(self) -> list[str] | None:
        """Say in what it breaks the clients of the running code; None: not known."""
        return _changes(schemas_of(self.use_case), read_schemas(self.files))

    def changes_from(self, other: "Contender") -> list[str] | None:
        """Say in what it breaks the clients of *other*; None: not known."""
        mine, theirs = (one.manifest.card.schema_sha256 for one in (self, other))
        if mine == theirs:
            return []
        return _changes(read_schemas(other.files), read_schemas(self.files))


def _changes(old: Schemas | None, new: Schemas | None) -> list[str] | None:
    if old is None or new is None:
        return None
    return [
        *row_differences(old["row"], new["row"]),
        *prediction_differences(old["prediction"], new["prediction"]),
    ]
