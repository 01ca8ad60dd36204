"""As much of `kubectl kustomize` as our overlays use, for machines without kubectl.

A field that it does not know is an error; where kubectl is installed a test compares both.
"""

import re
from pathlib import Path
from typing import Any

import yaml

KNOWN = {
    "apiVersion",
    "kind",
    "labels",
    "resources",
    "components",
    "configMapGenerator",
    "namespace",
    "images",
    "patches",
}
Document = dict[str, Any]


def render(folder: Path) -> list[Document]:
    """Return the documents of the kustomization in *folder*; names get no digest of content."""
    return _apply(folder, [])


def settled(documents: list[Document]) -> dict[tuple[str, str], Document]:
    """Return *documents* by kind and name, digests of content taken off the names."""
    text = re.sub(r"(ekiben-settings)-[a-z0-9]{10}\b", r"\1", yaml.safe_dump(documents))
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load(text)}


def _apply(folder: Path, documents: list[Document]) -> list[Document]:
    asked = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert asked.keys() <= KNOWN, asked.keys() - KNOWN
    documents = [*documents]
    for name in asked.get("resources", []):
        path = folder / name
        documents += (
            _apply(path, [])
            if path.is_dir()
            else [one for one in yaml.safe_load_all(path.read_text()) if one]
        )
    for one in asked.get("configMapGenerator", []):
        _generate(one, documents)
    for name in asked.get("components", []):
        documents = _apply(folder / name, documents)
    for one in asked.get("patches", []):
        _patch(one, documents)
    for one in asked.get("labels", []):
        _label(one, documents)
    for one in asked.get("images", []):
        _replace_image(one, documents)
    for one in documents if "namespace" in asked else []:
        if one["kind"] != "Namespace":
            one["metadata"]["namespace"] = asked["namespace"]
    return documents


def _generate(asked: Document, documents: list[Document]) -> None:
    data = dict(line.split("=", 1) for line in asked["literals"])
    if asked.get("behavior") == "merge":
        (found,) = [
            one
            for one in documents
            if (one["kind"], one["metadata"]["name"]) == ("ConfigMap", asked["name"])
        ]
        found["data"] |= data
        return
    metadata = {"name": asked["name"]}
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    documents.append(made)


def _patch(asked: Document, documents: list[Document]) -> None:
    target = (asked["target"]["kind"], asked["target"]["name"])
    (found,) = [
        one for one in documents if (one["kind"], one["metadata"]["name"]) == target
    ]
    for operation in yaml.safe_load(asked["patch"]):
        assert operation["op"] in ("replace", "add")
        *path, last = operation["path"].strip("/").split("/")
        place = found
        for name in path:
            place = place[name.replace("~1", "/")]
        place[last.replace("~1", "/")] = operation["value"]


def _label(asked: Document, documents: list[Document]) -> None:
    assert (asked["includeSelectors"], asked["includeTemplates"]) == (False, True)
    for one in documents:
        one["metadata"].setdefault("labels", {}).update(asked["pairs"])
        template = one.get("spec", {}).get("template")
        if template:
            template["metadata"].setdefault("labels", {}).update(asked["pairs"])


def _replace_image(asked: Document, documents: list[Document]) -> None:
    for one in documents:
        pod = one.get("spec", {}).get("template", {}).get("spec", {})
        for container in pod.get("containers", []):
            if container["image"] == asked["name"]:
                container["image"] = f"{asked['newName']}@{asked['digest']}"
