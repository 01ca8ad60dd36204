"""Container engines: which one is here, and what deployments ask of it.

Only command lines that docker and podman share are used. What a host needs besides
(a runtime, limits, an isolation) is the engine's own configuration: containers.conf,
BUILDAH_ISOLATION, DOCKER_HOST.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ekiben.errors import ContainerFailed, NoContainerEngine

ENGINES = ("docker", "podman", "buildah")
"""In the order in which they are looked for."""
ASK_SECONDS = 20.0
LAST_LINES = 3


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


@dataclass(frozen=True)
class Engine:
    """One engine on this host.

    Every method raises ContainerFailed, with the engine's own last words, where the
    engine refuses, and NoContainerEngine where buildah is asked to run something.
    """

    name: str
    program: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def build(
        self,
        context: Path,
        image: str,
        *,
        file: Path | None = None,
        arguments: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        network: str | None = None,
        timestamp: int | None = None,
        fresh: bool = False,
    ) -> str:
        """Build *image* (name:tag) from the folder *context* and return its digest.

        *file* is the Dockerfile, by default the context's own; *network* what steps may
        reach, such as `none`; *timestamp*, seconds since the epoch, is written in place
        of the time of the build, where the engine can. *fresh* uses no step again.
        """
        self._run(
            *self._build_command(timestamp),
            *(["--no-cache"] if fresh else []),
            f"--tag={image}",
            *([f"--file={file}"] if file else []),
            *([f"--network={network}"] if network else []),
            *(
                f"--build-arg={name}={value}"
                for name, value in (arguments or {}).items()
            ),
            *(f"--label={name}={value}" for name, value in (labels or {}).items()),
            str(context),
        )
        return self.digest(image)

    def _build_command(self, timestamp: int | None) -> list[str]:
        if self.name == "docker":
            epoch = f"--build-arg=SOURCE_DATE_EPOCH={timestamp}"
            return ["build", *([epoch] if timestamp is not None else [])]
        # The OCI format has no HEALTHCHECK; layers let an unchanged step be used again.
        stamp = f"--timestamp={timestamp}"
        return [
            "build",
            "--format=docker",
            "--layers",
            *([stamp] if timestamp is not None else []),
        ]

    def digest(self, image: str) -> str:
        """Return `sha256:...`: what *image* is here, by which it can also be run."""
        if self.name == "buildah":
            told = self._run(
                "inspect", "--type=image", "--format={{.FromImageID}}", image
            )
        else:
            told = self._run("image", "inspect", "--format={{.Id}}", image)
        return "sha256:" + told.strip().removeprefix("sha256:")

    def labels(self, image: str) -> dict[str, str]:
        """Return the labels of *image*."""
        self._must_run_containers()
        told = self._run("image", "inspect", "--format={{json .Config.Labels}}", image)
        return {
            str(name): str(value) for name, value in (json.loads(told) or {}).items()
        }

    def run(
        self,
        image: str,
        name: str,
        *,
        ports: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        mounts: Mapping[Path, str] | None = None,
        confinement: Confinement | None = None,
        options: Sequence[str] = (),
        command: Sequence[str] = (),
    ) -> None:
        """Start a container *name* of *image* in the background.

        *ports* says where on this host (`127.0.0.1:3001`) which port of the container
        is; *mounts* are files and folders that it may read. Values of *environment* are
        handed over in the engine's own environment, never on its command line, where
        every user of the host could read them.
        """
        self._must_run_containers()
        given = dict(environment or {})
        self._run(
            "run",
            "--detach",
            f"--name={name}",
            *(f"--publish={here}:{there}" for here, there in (ports or {}).items()),
            *(f"--env={variable}" for variable in given),
            *(f"--label={key}={value}" for key, value in (labels or {}).items()),
            *(f"--volume={here}:{there}:ro" for here, there in (mounts or {}).items()),
            *(confinement.options() if confinement else []),
            *options,
            image,
            *command,
            variables=given,
        )

    def execute(self, name: str, command: Sequence[str]) -> str:
        """Run *command* in the container *name* and return what it printed."""
        self._must_run_containers()
        return self._run("exec", name, *command)

    def stop(self, name: str, seconds: int) -> None:
        """Send SIGTERM to the container, and SIGKILL after *seconds*."""
        self._must_run_containers()
        self._run("stop", f"--time={seconds}", name, seconds=seconds + ASK_SECONDS)

    def remove(self, name: str) -> None:
        """Remove the container, ended or not; nothing happens if there is none."""
        self._must_run_containers()
        if self.container(name) is not None:
            self._run("rm", "--force", name, seconds=ASK_SECONDS)

    def container(self, name: str) -> Container | None:
        """Return the container *name*, or None."""
        self._must_run_containers()
        try:
            told = self._run("container", "inspect", name, seconds=ASK_SECONDS)
        except ContainerFailed:
            if name in self.names():
                raise
            return None
        return _container(json.loads(told)[0])

    def names(self, label: str | None = None) -> list[str]:
        """Return the names of all containers, or of those with *label* (`name=value`)."""
        self._must_run_containers()
        chosen = [f"--filter=label={label}"] if label else []
        told = self._run(
            "ps", "--all", *chosen, "--format={{.Names}}", seconds=ASK_SECONDS
        )
        return sorted(told.split())

    def logs(self, name: str, lines: int = 50) -> str:
        """Return the last *lines* that the container printed, on both outputs."""
        self._must_run_containers()
        return self._run(
            "logs", f"--tail={lines}", name, seconds=ASK_SECONDS, both=True
        )

    def _must_run_containers(self) -> None:
        if self.name == "buildah":
            raise NoContainerEngine(
                "buildah only builds; install docker or podman to run"
            )

    def _run(
        self,
        *arguments: str,
        seconds: float | None = None,
        variables: Mapping[str, str] | None = None,
        both: bool = False,
    ) -> str:
        try:
            done = subprocess.run(
                [self.program, *arguments],
                env={**os.environ, **self.environment, **(variables or {})},
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=seconds,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ContainerFailed(self.name, arguments[0], str(error)) from None
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines()[-LAST_LINES:]
            raise ContainerFailed(self.name, arguments[0], " / ".join(lines))
        return done.stdout + (done.stderr if both else "")


def find_engine(name: str | None = None) -> Engine:
    """Return the engine *name*, or the first that works: docker, podman, buildah.

    A docker command without a daemon that answers does not work.

    Raises:
        NoContainerEngine: there is none, or not the one that was asked for.
    """
    if name is not None and name not in ENGINES:
        raise NoContainerEngine(f"{name!r} is none of {', '.join(ENGINES)}")
    for one in (name,) if name else ENGINES:
        program = shutil.which(one)
        if program and _works(program, one):
            return Engine(one, program)
    if name:
        reason = "does not answer" if shutil.which(name) else "is not installed"
        raise NoContainerEngine(f"{name} {reason}")
    raise NoContainerEngine(f"none of {', '.join(ENGINES)} is installed and answers")


def _works(program: str, name: str) -> bool:
    # Only docker needs somebody else to answer; the others' `info` is slow.
    question = (
        ["info", "--format={{.ServerVersion}}"] if name == "docker" else ["--version"]
    )
    try:
        done = subprocess.run(
            [program, *question], capture_output=True, check=False, timeout=ASK_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and bool(done.stdout.strip())


def _container(told: Mapping[str, Any]) -> Container:
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
