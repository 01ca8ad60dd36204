"""kubectl, as far as a roll-out needs it; what it says against something is told in one line."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ekiben.errors import ClusterRefused
from ekiben.packaging.manifests import Document

ASK_SECONDS = 10
"""How long a cluster may take to answer one question."""
APPLY_SECONDS = 120


@dataclass(frozen=True)
class Place:
    """Where a Deployment is: its name in a namespace."""

    name: str
    namespace: str


@dataclass(frozen=True)
class Kubectl:
    """The program, and the context of its configuration; None: its current one.

    Every method raises ClusterRefused where kubectl or the cluster refuses.
    """

    program: str
    context: str | None = None

    @classmethod
    def found(cls, context: str | None = None) -> "Kubectl":
        """Return the kubectl of this host.

        Raises:
            ClusterRefused: there is none.
        """
        program = shutil.which("kubectl")
        if program is None:
            raise ClusterRefused("kubectl is not installed here")
        return cls(program, context)

    def kustomize(self, folder: Path) -> str:
        """Return what the kustomization in *folder* renders to; no cluster is asked."""
        return self._run(["kustomize", str(folder)], ASK_SECONDS)

    def check_cluster(self) -> None:
        """Pass over a cluster that answers."""
        try:
            self._run(["version", f"--request-timeout={ASK_SECONDS}s"], 3 * ASK_SECONDS)
        except ClusterRefused as error:
            raise ClusterRefused(f"no cluster answers: {error}") from None

    def apply(self, manifests: str) -> None:
        """Make the cluster want what *manifests* say; nothing is removed from it."""
        self._run(["apply", "--filename=-"], APPLY_SECONDS, text=manifests)

    def deployment(self, place: Place) -> Document | None:
        """Return the Deployment as the cluster has it; None where there is none."""
        asked = ["get", "deployment", place.name, "--ignore-not-found", "--output=json"]
        told = self._run([*asked, f"--namespace={place.namespace}"], 3 * ASK_SECONDS)
        document: Document | None = json.loads(told) if told.strip() else None
        return document

    def wait(self, place: Place, seconds: float) -> None:
        """Wait until all pods are of the newest revision and ready."""
        asked = ["rollout", "status", f"deployment/{place.name}"]
        limits = [f"--namespace={place.namespace}", f"--timeout={seconds:.0f}s"]
        self._run([*asked, *limits], seconds + ASK_SECONDS)

    def undo(self, place: Place, revision: str | None = None) -> None:
        """Go back to *revision*, or to the one before; that may take until `wait` ends."""
        asked = ["rollout", "undo", f"deployment/{place.name}"]
        to = [f"--to-revision={revision}"] if revision else []
        self._run([*asked, f"--namespace={place.namespace}", *to], 3 * ASK_SECONDS)

    def _run(self, arguments: list[str], seconds: float, text: str = "") -> str:
        chosen = [f"--context={self.context}"] if self.context else []
        try:
            done = subprocess.run(
                [self.program, *chosen, *arguments],
                input=text,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            said = f"kubectl {arguments[0]} took more than {seconds:.0f} s"
            raise ClusterRefused(said) from None
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no reason given"]
            raise ClusterRefused(f"kubectl {arguments[0]}: {lines[-1]}")
        return done.stdout
