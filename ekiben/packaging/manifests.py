"""Kubernetes manifests as they are rendered: documents, and what of them is looked at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ekiben.errors import ManifestsRefused

Document = Mapping[str, Any]
Reasons = Iterator[str]
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")


@dataclass(frozen=True)
class Workload:
    """What makes pods, and the parts of these; what is missing is empty."""

    document: Document

    @property
    def spec(self) -> Document:
        """What says how many pods there are, and how they are replaced."""
        return _part(self.document, "spec")

    @property
    def template(self) -> Document:
        """The metadata of its pods."""
        return _part(self.document, "spec", "template", "metadata")

    @property
    def pod(self) -> Document:
        """What says what its pods are."""
        return _part(self.document, "spec", "template", "spec")

    @property
    def containers(self) -> list[Document]:
        """All containers, those that only begin a pod first."""
        return [*(self.pod.get("initContainers") or []), *self.servers]

    @property
    def servers(self) -> list[Document]:
        """The containers that stay."""
        return list(self.pod.get("containers") or [])

    def selected_by(self, selector: Document | None) -> bool:
        """Whether its pods carry the labels that *selector* asks for; an empty one asks none."""
        labels = self.template.get("labels") or {}
        asked = (selector or {}).get("matchLabels") or {}
        return all(labels.get(name) == value for name, value in asked.items())


@dataclass(frozen=True)
class Manifests:
    """All documents that are applied together."""

    documents: Sequence[Document]

    @classmethod
    def read(cls, text: str) -> "Manifests":
        """Return the documents of a YAML stream.

        Raises:
            ManifestsRefused: it is none.
        """
        try:
            found = [one for one in yaml.safe_load_all(text) if one]
        except yaml.YAMLError as error:
            told = " ".join(str(error).split())
            raise ManifestsRefused([f"no YAML: {told}"]) from None
        if not all(isinstance(one, dict) and one.get("kind") for one in found):
            raise ManifestsRefused(["a document has no kind"])
        return cls(found)

    def of(self, kind: str) -> Iterator[Document]:
        """Yield the documents of one kind."""
        return (one for one in self.documents if one["kind"] == kind)

    @property
    def workloads(self) -> list[Workload]:
        """Everything that makes pods."""
        return [Workload(one) for kind in WORKLOADS for one in self.of(kind)]

    @property
    def deployments(self) -> list[Workload]:
        """The Deployments: what answers requests."""
        return [Workload(one) for one in self.of("Deployment")]

    @property
    def containers(self) -> list[Document]:
        """The containers of everything that makes pods."""
        return [one for found in self.workloads for one in found.containers]

    @property
    def servers(self) -> list[Document]:
        """The containers of the Deployments that stay."""
        return [one for found in self.deployments for one in found.servers]

    def environment(self, container: Document) -> dict[str, str]:
        """Return the variables of *container* whose values stand in the manifests."""
        found: dict[str, str] = {}
        for source in container.get("envFrom") or []:
            name = _part(source, "configMapRef").get("name")
            for one in self.of("ConfigMap"):
                if name and _part(one, "metadata").get("name") == name:
                    found |= one.get("data") or {}
        for variable in container.get("env") or []:
            if "value" in variable:
                found[variable["name"]] = variable["value"]
        return found


def _part(document: Document, *names: str) -> Document:
    for name in names:
        document = document.get(name) or {}
    return document
