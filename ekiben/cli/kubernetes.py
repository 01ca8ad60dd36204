"""`ekiben deploy --kubernetes`: render, apply, wait; and the way back."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ekiben.cli.setting import actor_of
from ekiben.errors import BuildRefused, ClusterRefused
from ekiben.packaging.agreement import Word, tell_of
from ekiben.packaging.kubectl import Kubectl, Place
from ekiben.packaging.kubernetes import (
    Release,
    follows_ledger,
    release_of,
    rendered,
    roll_back,
    roll_out,
    write_overlay,
)
from ekiben.settings import Settings

Kubernetes = Annotated[
    bool,
    typer.Option(
        "--kubernetes", help="Roll out to a cluster, or back: docs/kubernetes.md."
    ),
]
Overlay = Annotated[
    str,
    typer.Option(
        help="With --kubernetes: a name in deploy/kubernetes/overlays, or a path."
    ),
]
Context = Annotated[
    str | None,
    typer.Option(help="With --kubernetes: the kubeconfig's. Empty: its current one."),
]
Render = Annotated[
    bool,
    typer.Option("--render", help="With --kubernetes: only print the manifests."),
]

OVERLAYS = Path("deploy/kubernetes/overlays")
RENDERED = Path("var/kubernetes")


@dataclass(frozen=True)
class Cluster:
    """Which overlay goes to which cluster; *seconds* is how long all of it may take.

    That is a bound only: a roll-out that makes no progress ends by the Deployment's own
    progressDeadlineSeconds.
    """

    overlay: str
    context: str | None = None
    seconds: float = 3600.0

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
    text, place = rendered(kubectl, cluster.folder)
    with Console(stderr=True).status(f"rolling back in {place.namespace}"):
        left, restored = roll_back(kubectl, place, cluster.seconds)
    reason = f"{place.namespace} rolled back from {left.bento} to {restored.bento}"
    actor = actor_of(settings)
    words: list[Word] = []
    if not follows_ledger(text):
        words = tell_of(left.models, restored.models, settings, actor, reason)
    refused = {one.use_case: one.reason for one in words if not one.told}
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
