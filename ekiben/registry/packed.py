"""What a Bento holds: the versions that were production when it was built, and those before them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

BENTO_FILE = "bento.yaml"
LABEL = "ekiben.production."
"""Before a use case's name: the label of a Bento that says which of its versions answers."""


@dataclass(frozen=True)
class Packed:
    """Use case to exact tag: what answers, and what a rollback goes to."""

    production: Mapping[str, str]
    previous: Mapping[str, str] = field(default_factory=dict)

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags, each once."""
        return tuple(
            dict.fromkeys([*self.production.values(), *self.previous.values()])
        )

    def versions(self, use_case: str) -> list[str]:
        """Return the tags of one use case, the one that answers first."""
        both = (self.production.get(use_case), self.previous.get(use_case))
        return [tag for tag in both if tag]

    def only(self, names: Collection[str]) -> "Packed":
        """Return what it holds of the use cases *names*."""
        return Packed(
            {name: tag for name, tag in self.production.items() if name in names},
            {name: tag for name, tag in self.previous.items() if name in names},
        )

    def labels(self) -> dict[str, str]:
        """Return the labels that `read_packed` needs to tell which version answers."""
        return {
            LABEL + name: tag.partition(":")[2] for name, tag in self.production.items()
        }


def read_packed(source: Path) -> Packed | None:
    """Return what the Bento holds whose code is in *source*; None where it is no Bento."""
    file = source.resolve().parent / BENTO_FILE
    if not file.is_file():
        return None
    import yaml  # takes a while, and most commands run outside of a Bento

    bento = yaml.safe_load(file.read_text(encoding="utf-8"))
    labels = bento.get("labels") or {}
    production: dict[str, str] = {}
    previous: dict[str, str] = {}
    for service in bento["services"]:
        for model in service["models"]:
            name, _, version = model["tag"].partition(":")
            answers = labels.get(LABEL + name, version) == version
            (production if answers else previous)[name] = model["tag"]
    return Packed(production, previous)
