"""From an image and its Bento to pods: render, apply, wait, and undo what does not get ready."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ekiben.errors import BuildRefused, ClusterRefused, ManifestsRefused, UnknownModel
from ekiben.packaging.kubectl import Kubectl, Place
from ekiben.packaging.manifest_rules import broken
from ekiben.packaging.manifests import Document, Manifests
from ekiben.registry.packed import read_packed
from ekiben.registry.tags import split_tag

NAME = "ekiben"
"""The container's in deploy/kubernetes/base, and what the label says of its Deployment."""
LABEL = "app.kubernetes.io/name"
BENTO = "ekiben/bento"
MODEL = "ekiben/model."
"""Before a use case's name: the annotation of pods that says which version answers."""
REVISION = "deployment.kubernetes.io/revision"

IMAGE = re.compile(r"[a-z0-9][a-z0-9._:/-]{0,254}@sha256:(?!0{64})[0-9a-f]{64}")
TAG = re.compile(r"[a-z0-9][a-z0-9._-]*:[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True)
class Release:
    """What pods run: the image by its digest, the Bento in it, use case to exact tag."""

    image: str
    bento: str
    models: Mapping[str, str]

    def annotations(self) -> dict[str, str]:
        """Return what is written on the pods, where a roll-back finds it again."""
        models = {MODEL + name: tag for name, tag in self.models.items()}
        return {BENTO: self.bento} | models

    @classmethod
    def of(cls, deployment: Document) -> "Release":
        """Return what a *deployment* says of its pods."""
        template = deployment["spec"]["template"]
        annotations = template["metadata"].get("annotations") or {}
        images = {
            one["name"]: one.get("image", "") for one in template["spec"]["containers"]
        }
        models = {
            name.removeprefix(MODEL): tag
            for name, tag in annotations.items()
            if name.startswith(MODEL)
        }
        return cls(images.get(NAME, ""), annotations.get(BENTO, ""), models)


def release_of(bento: Path, image: str) -> Release:
    """Return what *image*, made of the Bento in the folder *bento*, answers with.

    Raises:
        BuildRefused: that folder is no Bento, or the image is not named by its digest.
    """
    if not IMAGE.fullmatch(image):
        raise BuildRefused(
            f"--image {image!r}: write NAME@sha256:DIGEST, as the push told it"
        )
    packed = read_packed(bento / "src")
    if packed is None:
        raise BuildRefused("there is no Bento", bento)
    told = yaml.safe_load((bento / "bento.yaml").read_text(encoding="utf-8"))
    tag = f"{told['name']}:{told['version']}"
    try:
        models = {
            name: ":".join(split_tag(one)) for name, one in packed.production.items()
        }
    except UnknownModel as error:
        raise BuildRefused(str(error), bento) from None
    if not TAG.fullmatch(tag):
        raise BuildRefused(f"{tag!r} is no tag", bento)
    return Release(image, tag, models)


def write_overlay(folder: Path, overlay: Path, release: Release) -> None:
    """Write a kustomization into *folder* that puts *release* into those of *overlay*.

    Raises:
        BuildRefused: *overlay* holds no kustomization.
    """
    if not (overlay / "kustomization.yaml").is_file():
        raise BuildRefused("there is no kustomization.yaml", overlay)
    folder.mkdir(parents=True, exist_ok=True)
    patch: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {
            "template": {
                "metadata": {"annotations": release.annotations()},
                "spec": {"containers": [{"name": NAME, "image": release.image}]},
            }
        },
    }
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        # kustomize takes no absolute path.
        "resources": [os.path.relpath(overlay.resolve(), folder.resolve())],
        "patches": [
            {
                # By its label: an overlay may give it another name.
                "target": {"kind": "Deployment", "labelSelector": f"{LABEL}={NAME}"},
                "patch": yaml.safe_dump(patch, sort_keys=False),
            }
        ],
    }
    text = yaml.safe_dump(document, sort_keys=False)
    (folder / "kustomization.yaml").write_text(text, encoding="utf-8")


def rendered(kubectl: Kubectl, folder: Path) -> tuple[str, Place]:
    """Return the manifests of the kustomization in *folder*, and where the Deployment goes.

    Raises:
        ClusterRefused: kubectl cannot render it.
        ManifestsRefused: a rule of `manifest_rules` is broken.
    """
    text = kubectl.kustomize(folder)
    manifests = Manifests.read(text)
    reasons = broken(manifests)
    if reasons:
        raise ManifestsRefused(reasons)
    found = [
        one["metadata"]
        for one in manifests.of("Deployment")
        if (one["metadata"].get("labels") or {}).get(LABEL) == NAME
    ]
    if len(found) != 1:
        raise ManifestsRefused(
            [f"{len(found)} Deployments have the label {LABEL}={NAME}"]
        )
    return text, Place(found[0]["name"], found[0].get("namespace", "default"))


def follows_ledger(text: str) -> bool:
    """Whether pods of the manifests *text* take their versions from the ledger."""
    manifests = Manifests.read(text)
    given = [manifests.environment(one) for one in manifests.servers]
    return any(one.get("EKIBEN_RELEASES") == "follow" for one in given)


def roll_out(kubectl: Kubectl, text: str, place: Place, seconds: float) -> Release:
    """Apply *text* and wait until all pods are new and ready, *seconds* at most.

    What makes no progress for the Deployment's progressDeadlineSeconds, or is not done
    in time, is undone; the pods before it answered all along.

    Raises:
        ClusterRefused: no cluster answers, it refused, or the new pods did not get ready.
    """
    kubectl.check_cluster()
    before = kubectl.deployment(place)
    kubectl.apply(text)
    try:
        kubectl.wait(place, seconds)
    except ClusterRefused as error:
        raise ClusterRefused(_undone(kubectl, place, before, error, seconds)) from None
    return Release.of(_there(kubectl, place))


def roll_back(
    kubectl: Kubectl, place: Place, seconds: float
) -> tuple[Release, Release]:
    """Go back to the revision before; return what was left, and what answers now.

    Raises:
        ClusterRefused: no cluster answers, or there is nothing to go back to, or it did
            not get ready in time.
    """
    kubectl.check_cluster()
    left = Release.of(_there(kubectl, place))
    kubectl.undo(place)
    kubectl.wait(place, seconds)
    return left, Release.of(_there(kubectl, place))


def _undone(
    kubectl: Kubectl,
    place: Place,
    before: Document | None,
    error: ClusterRefused,
    seconds: float,
) -> str:
    """Take the newest revision back if there was one before it, and say what happened."""
    if before is None:
        return f"{error}; it was the first roll-out, so nothing was undone"
    revision = _revision(before)
    if _revision(_there(kubectl, place)) == revision:
        return f"{error}; the pods are those of before, so nothing was undone"
    kubectl.undo(place, revision)
    kubectl.wait(place, seconds)
    return f"{error}; undone, {Release.of(before).bento} answers"


def _revision(deployment: Document) -> str:
    annotations = deployment["metadata"].get("annotations") or {}
    return str(annotations.get(REVISION, ""))


def _there(kubectl: Kubectl, place: Place) -> Document:
    found = kubectl.deployment(place)
    if found is None:
        raise ClusterRefused(
            f"there is no Deployment {place.name} in {place.namespace}"
        )
    return found
