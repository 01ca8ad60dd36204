"""How a replica runs on this host: what every way has to offer, and as a plain process."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ekiben.packaging.deployments import Place, Replica, Revision
from ekiben.packaging.kept import Kept, Program

STOP_SECONDS = 25.0
"""A server ends within 20 s of a SIGTERM; see docs/operations.md."""
IDLE_SECONDS = "75"
"""Longer than the balancer leaves a connection unused."""
KEPT_LOGS = 5
SECRETS = ("EKIBEN_DATABASE_URL", "EKIBEN_KEY_PEPPER")
"""Settings that are handed on and written nowhere."""


class Runtime(Protocol):
    """Starts, watches and ends replicas; every call may be repeated."""

    def start(self, replica: Replica, revision: Revision) -> None:
        """Run the replica from now on, and start it again whenever it ends.

        Raises:
            DeployFailed: it cannot be started.
        """

    def why_ended(self, replica: Replica) -> str | None:
        """Return why the replica ended by itself; None: it never did."""

    def is_kept(self, replica: Replica) -> bool:
        """Whether somebody starts the replica again when it ends."""

    def ask_to_end(self, replica: Replica) -> None:
        """Let the replica drain and end; returns at once."""

    def remove(self, replica: Replica) -> None:
        """Wait for the end, kill what overstays, and clear away after it."""


@dataclass(frozen=True)
class ProcessRuntime:
    """Replicas as `bentoml serve`, each with a keeper and a BENTOML_HOME of its own."""

    place: Place
    environ: Mapping[str, str]

    def start(self, replica: Replica, revision: Revision) -> None:
        """Serve the Bento of *revision* on the replica's port."""
        home = self.place.replica(replica.number)
        self._make_home(home, replica)
        serve = [sys.executable, "-m", "bentoml", "serve", revision.bento]
        address = ["--host", "127.0.0.1", "--port", str(replica.port)]
        kept = Kept(home)
        kept.start(
            Program([*serve, *address], stop_seconds=STOP_SECONDS),
            process_environment(self.environ, revision.settings, home),
        )

    def why_ended(self, replica: Replica) -> str | None:
        """Return the last line of a program that ended, or whose keeper did."""
        kept = self._kept(replica)
        ended = kept.ends > 0 or kept.keeper_pid is None
        return (kept.last_words or "without a word") if ended else None

    def is_kept(self, replica: Replica) -> bool:
        """Whether its keeper runs."""
        return self._kept(replica).keeper_pid is not None

    def ask_to_end(self, replica: Replica) -> None:
        """Send SIGTERM: the server drains as `ekiben drain` would let it, then ends."""
        self._kept(replica).ask_to_end()

    def remove(self, replica: Replica) -> None:
        """Wait for the end; what the replica kept for itself goes."""
        self._kept(replica).wait_for_end()
        clear(self.place.replica(replica.number))

    def _kept(self, replica: Replica) -> Kept:
        return Kept(self.place.replica(replica.number))

    def _make_home(self, home: Path, replica: Replica) -> None:
        revision = self.place.revision(replica.revision)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What is registered and released is the host's; the Bento and its models are the
        # revision's, and are only read; all else that BentoML writes is the replica's own.
        for name, target in {
            "bentos": revision / "bentos",
            "models": revision / "models",
            "ekiben": self.place.home / "ekiben",
        }.items():
            if not (home / name).is_symlink():
                (home / name).symlink_to(target)


def process_environment(
    environ: Mapping[str, str], settings: Mapping[str, str], home: Path
) -> dict[str, str]:
    """Return the environment of a replica: the settings of its revision, secrets of *environ*."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("EKIBEN_") and name not in _OTHERS
    }
    secrets = {name: environ[name] for name in SECRETS if environ.get(name)}
    own = {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    return {**kept, "EKIBEN_IDLE_SECONDS": IDLE_SECONDS, **settings, **secrets, **own}


_OTHERS = frozenset(
    [
        "BENTOML_HOST",
        "BENTOML_PORT",
        "PROMETHEUS_MULTIPROC_DIR",
        "_EKIBEN_SERVER",
        "_EKIBEN_KEPT",
    ]
)
"""What would be another server's."""


def clear(directory: Path) -> None:
    """Remove what a replica wrote; the last logs stay beside, for whoever asks why."""
    log = directory / "log"
    if log.exists():
        os.replace(log, directory.with_name(f"{directory.name}.log"))
    shutil.rmtree(directory, ignore_errors=True)
    logs = sorted(directory.parent.glob("*.log"), key=lambda one: one.stat().st_mtime)
    for old in logs[:-KEPT_LOGS]:
        old.unlink(missing_ok=True)
