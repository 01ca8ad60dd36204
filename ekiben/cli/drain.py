"""`ekiben drain`: take a server out of its balancer before it is stopped."""

import json
import time
from typing import Annotated

import typer

from ekiben.cli.setting import AsJson
from ekiben.errors import NoSuchServer
from ekiben.serving.run_files import (
    Facts,
    ServerFiles,
    run_directory,
    running_servers,
)
from ekiben.settings import Settings

Port = Annotated[
    int | None, typer.Option(help="Which server, where several run on this host.")
]
Wait = Annotated[bool, typer.Option(help="Wait for EKIBEN_DRAIN_SECONDS.")]
Undo = Annotated[bool, typer.Option("--undo", help="Let it have work again.")]


def drain(
    port: Port = None,
    wait: Wait = True,
    undo: Undo = False,
    as_json: AsJson = False,
) -> None:
    """Turn a server's /readyz red and wait, while it serves on: for a preStop hook."""
    settings = Settings.from_env()
    server, facts = _meant(running_servers(run_directory(settings.run_dir)), port)
    if undo:
        server.undrain()
    else:
        server.drain()
    seconds = settings.drain_seconds if wait and not undo else 0.0
    time.sleep(seconds)
    told = {
        "pid": facts.pid,
        "port": facts.port,
        "workers": sorted(server.states()),
        "draining": not undo,
        "waited_seconds": seconds,
    }
    state = "serves again" if undo else f"is draining; waited {seconds:g} s"
    line = f"the server on port {facts.port} (process {facts.pid}) {state}"
    typer.echo(json.dumps(told, indent=2) if as_json else line)


def _meant(found: list[ServerFiles], port: int | None) -> tuple[ServerFiles, Facts]:
    """Return the one server that is meant.

    Raises:
        NoSuchServer: there is none, or more than one.
    """
    running = [(server, facts) for server in found if (facts := server.facts)]
    meant = [one for one in running if port in (None, one[1].port)]
    if len(meant) == 1:
        return meant[0]
    ports = ", ".join(str(facts.port) for _, facts in running)
    if not meant:
        on = f" on port {port}" if port else ""
        raise NoSuchServer(
            f"no server of this user runs{on}" + (f"; there are: {ports}" * bool(ports))
        )
    raise NoSuchServer(f"several servers run, on ports {ports}; --port says which")
