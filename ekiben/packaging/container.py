"""One container: what an engine says of it, and what it may do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Container:
    """One container that is there, running or not; `image` is the image's digest."""

    name: str
    image: str
    running: bool
    started: str
    exit_code: int
    labels: Mapping[str, str]
    pid: int
    """The process id of its first process on this host; 0 if it does not run."""


@dataclass(frozen=True)
class Confinement:
    """How a container of ours is run: what it may not do, and what it may use.

    *writable* are paths kept in memory, each of at most *writable_megabytes*;
    everything else is read-only.
    """

    memory_megabytes: int = 512
    processes: int = 256
    writable: Sequence[str] = ("/tmp", "/var/ekiben")
    writable_megabytes: int = 32
    cpus: float | None = None

    def options(self) -> list[str]:
        """Return the options of docker run and podman run."""
        mounts = [
            f"--tmpfs={path}:rw,nosuid,nodev,noexec,mode=1777,size={self.writable_megabytes}m"
            for path in self.writable
        ]
        return [
            "--read-only",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            f"--pids-limit={self.processes}",
            f"--memory={self.memory_megabytes}m",
            *([f"--cpus={self.cpus:g}"] if self.cpus else []),
            *mounts,
        ]


def container_of(told: Mapping[str, Any]) -> Container:
    """Read what `container inspect` of docker and podman says."""
    state, config = told["State"], told["Config"]
    return Container(
        name=str(told["Name"]).lstrip("/"),
        image="sha256:" + str(told["Image"]).removeprefix("sha256:"),
        running=bool(state["Running"]),
        started=str(state["StartedAt"]),
        exit_code=int(state["ExitCode"]),
        labels=dict(config.get("Labels") or {}),
        pid=int(state["Pid"]),
    )
