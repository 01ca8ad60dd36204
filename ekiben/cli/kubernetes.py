"""`ekiben deploy --kubernetes`: render, apply, wait; and the way back."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from ekiben.cli.setting import actor_of
from ekiben.errors import BuildRefused, ClusterRefused
from ekiben.packaging.kubectl import Kubectl, Place
from ekiben.packaging.kubernetes import (
    Release,
    release_of,
    rendered,
    roll_back,
    roll_out,
    write_overlay,
)
from ekiben.packaging.taken_back import tell_ledger
from ekiben.settings import Settings

OVERLAYS = Path("deploy/kubernetes/overlays")
RENDERED = Path("var/kubernetes")


@dataclass(frozen=True)
class Cluster:
    """Which overlay goes to which cluster; *seconds* is how long new pods may take."""

    overlay: str
    context: str | None = None
    seconds: float = 300.0

    @property
    def folder(self) -> Path:
        """The overlay's: one of the project's by name, or any by its path."""
        named = OVERLAYS / self.overlay
        return named if named.is_dir() else Path(self.overlay)

    @property
    def written(self) -> Path:
        """Where what is rendered is kept."""
        return RENDERED / self.folder.name


def deploy_to_kubernetes(
    bento: Path,
    image: str | None,
    cluster: Cluster,
    *,
    render: bool = False,
    as_json: bool = False,
) -> None:
    """Render the Bento in the folder *bento* with its *image*, apply it, and wait.

    With *render* the manifests go to standard output and no cluster is asked.

    Raises:
        BuildRefused, ManifestsRefused, ClusterRefused: one line; what ran runs on.
    """
    if image is None:
        raise BuildRefused("--kubernetes needs --image NAME@sha256:DIGEST")
    kubectl = Kubectl.found(cluster.context)
    release = release_of(bento, image)
    write_overlay(cluster.written, cluster.folder, release)
    text, place = rendered(kubectl, cluster.written)
    if render:
        sys.stdout.write(text)
        return
    try:
        with Console(stderr=True).status(f"rolling out to {place.namespace}"):
            answering = roll_out(kubectl, text, place, cluster.seconds)
    except ClusterRefused as error:
        raise ClusterRefused(f"{error}; rendered in {cluster.written}") from None
    _tell(answering, place, {}, as_json=as_json)


def roll_back_on_kubernetes(
    cluster: Cluster, settings: Settings, *, as_json: bool = False
) -> None:
    """Go back to the revision before, first the pods and then the ledger.

    Raises:
        ClusterRefused: nothing moved, or not in time; the ledger was not told.
    """
    kubectl = Kubectl.found(cluster.context)
    _, place = rendered(kubectl, cluster.folder)
    with Console(stderr=True).status(f"rolling back in {place.namespace}"):
        left, restored = roll_back(kubectl, place, cluster.seconds)
    refused = tell_ledger(
        left.models,
        restored.models,
        settings=settings,
        actor=actor_of(settings),
        reason=f"{place.namespace} rolled back from {left.bento} to {restored.bento}",
    )
    _tell(restored, place, refused, as_json=as_json)
    if refused:
        raise typer.Exit(1)


def _tell(
    release: Release, place: Place, refused: dict[str, str], *, as_json: bool
) -> None:
    for use_case, reason in refused.items():
        line = f"ekiben: the ledger was not told of {use_case}: {reason}"
        typer.echo(line, err=True)
    if as_json:
        facts = {
            "namespace": place.namespace,
            "bento": release.bento,
            "image": release.image,
            "models": dict(release.models),
            "ledger_not_told": refused,
        }
        typer.echo(json.dumps(facts, indent=2))
        return
    models = ", ".join(release.models.values())
    typer.echo(f"{release.bento} answers in {place.namespace}, with {models}")
