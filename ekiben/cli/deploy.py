"""`ekiben deploy`, `undeploy` and `deployments`: replicas of a Bento behind a balancer, on this host."""

import ipaddress
import json
import os
import signal
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ekiben.cli.containerize import SERVER
from ekiben.cli.kubernetes import (
    Cluster,
    Context,
    Kubernetes,
    Overlay,
    Render,
    deploy_to_kubernetes,
    roll_back_on_kubernetes,
)
from ekiben.cli.setting import AsJson, actor_of
from ekiben.errors import DeployRefused, NoContainerEngine
from ekiben.packaging.agreement import Word, tell_ledger
from ekiben.packaging.bentos import find_bento
from ekiben.packaging.container_runtime import image_of
from ekiben.packaging.containers import find_engine
from ekiben.packaging.deployed import ledger_says, look, look_at_all
from ekiben.packaging.deploying import (
    HOST,
    PORT,
    REPLICAS,
    Deployer,
    Wish,
    runtimes_of,
)
from ekiben.packaging.deployments import (
    MOST_REPLICAS,
    Deployment,
    Place,
    RuntimeName,
)
from ekiben.settings import Settings

WAYS = {"process": "processes", "container": "containers"}


class Runtime(StrEnum):
    """How replicas run."""

    process = "process"
    container = "container"


def _address(text: str) -> str:
    if text == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no IP address") from None


BentoTag = Annotated[
    str | None,
    typer.Argument(
        metavar="[BENTO]", help="Its tag, or an unambiguous prefix. Empty: the newest."
    ),
]
Name = Annotated[str, typer.Option(help="Which deployment, where a host has several.")]
Replicas = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_REPLICAS,
        help=f"Empty: as many as there are; the first time, {REPLICAS}.",
    ),
]
Host = Annotated[
    str | None,
    typer.Option(
        parser=_address,
        metavar="IP",
        help="Where the balancer listens. Empty: where it does; the first time, "
        f"{HOST}.",
    ),
]
Port = Annotated[
    int | None,
    typer.Option(min=1, max=65000, help=f"Empty: where it is; the first time, {PORT}."),
]
RuntimeOption = Annotated[
    Runtime | None,
    typer.Option(help="Empty: containers if there is an engine and an image."),
]
ImageName = Annotated[
    str | None,
    typer.Option(
        help="The Bento's image. Empty: what `ekiben containerize` calls it. "
        "With --kubernetes NAME@sha256:DIGEST, as `make push` tells it."
    ),
]
WaitSeconds = Annotated[
    float,
    typer.Option("--wait", min=1, help="Seconds until a replica has to be ready."),
]
Rollback = Annotated[
    bool, typer.Option("--rollback", help="Go back to what was deployed before.")
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Start again what should run, as after a reboot."),
]


def deploy(
    bento: BentoTag = None,
    rollback: Rollback = False,
    resume: Resume = False,
    name: Name = "ekiben",
    replicas: Replicas = None,
    host: Host = None,
    port: Port = None,
    runtime: RuntimeOption = None,
    image: ImageName = None,
    wait: WaitSeconds = 120.0,
    kubernetes: Kubernetes = False,
    overlay: Overlay = "staging",
    context: Context = None,
    render: Render = False,
    as_json: AsJson = False,
) -> None:
    """Run a Bento behind a balancer, or replace what runs there, one replica at a time.

    A new replica gets requests when it is ready and answers its golden rows right;
    where one does not, everything is undone.
    """
    if ((rollback or resume) and bento) or (rollback and resume):
        raise typer.BadParameter("one of BENTO, --rollback and --resume")
    if (rollback or resume) and (replicas or host or port or runtime or image):
        raise typer.BadParameter(
            "--replicas, --host, --port, --runtime and --image are for a deploy"
        )
    if ((render or context) and not kubernetes) or (resume and kubernetes):
        raise typer.BadParameter("--render and --context go with --kubernetes only")
    if kubernetes and (replicas or host or port or runtime):
        raise typer.BadParameter("the overlay says how many replicas, where and how")
    settings = Settings.from_env()
    if kubernetes:
        cluster = Cluster(overlay, context)
        if rollback:
            roll_back_on_kubernetes(cluster, settings, as_json=as_json)
        else:
            found = find_bento(settings.home, SERVER, bento).path
            deploy_to_kubernetes(found, image, cluster, render=render, as_json=as_json)
        return
    deployer = _deployer(settings, name, wait)
    if rollback:
        state = _roll_back(deployer, settings)
    elif resume:
        state = deployer.resume()
    else:
        state = deployer.deploy(
            _wish(settings, bento, runtime, image, host, port, replicas)
        )
    _tell(settings, state, as_json=as_json)


def _roll_back(deployer: Deployer, settings: Settings) -> Deployment:
    state, left = deployer.roll_back()
    restored = state.revision(state.current or 0)
    _tell_words(tell_ledger(left, restored, settings, actor_of(settings)))
    return state


def _wish(
    settings: Settings,
    bento: str | None,
    runtime: Runtime | None,
    image: str | None,
    host: str | None,
    port: int | None,
    replicas: int | None,
) -> Wish:
    found = find_bento(settings.home, SERVER, bento)
    digest = _image(settings, found.tag, runtime, image)
    way: RuntimeName = "container" if digest else "process"
    name_of_image = (image or found.tag) if digest else None
    return Wish(found, way, host, port, replicas, name_of_image, digest)


def undeploy(name: Name = "ekiben", as_json: AsJson = False) -> None:
    """End the balancer and all replicas; requests in flight are answered."""
    settings = Settings.from_env()
    state = _deployer(settings, name, 0.0).remove()
    facts = {"name": state.name, "replicas": len(state.replicas)}
    typer.echo(
        json.dumps(facts, indent=2) if as_json else f"{state.name} is not deployed now"
    )


def deployments(as_json: AsJson = False) -> None:
    """List what is deployed on this host: Bento, image, models, replicas, since when."""
    settings = Settings.from_env()
    facts = [
        _facts(place, state, settings) for place, state in look_at_all(settings.home)
    ]
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    elif facts:
        _print(facts)
    else:
        typer.echo("nothing is deployed on this host")


def _image(
    settings: Settings, bento: str, asked: Runtime | None, image: str | None
) -> str | None:
    """Return the digest of the image that is to run, None: processes are.

    Where nothing is asked for, an engine that lacks, or has no image of the Bento, means
    processes.
    """
    if asked is Runtime.process:
        return None
    try:
        engine = find_engine(settings.container_engine)
        return image_of(engine, image or bento, bento)
    except (NoContainerEngine, DeployRefused):
        if asked is Runtime.container or image:
            raise
        return None


def _deployer(settings: Settings, name: str, wait: float) -> Deployer:
    # Whoever ends this in the middle wants it undone, not left in the middle.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=True, soft_wrap=True)
    return Deployer(
        Place(settings.home, name),
        os.environ,
        wait_seconds=wait,
        tell=lambda line: console.print(line, markup=False, highlight=False),
    )


def _tell(settings: Settings, state: Deployment, *, as_json: bool) -> None:
    facts = _facts(Place(settings.home, state.name), state, settings)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(
        f"{facts['bento']} answers at {facts['address']}: {_ready(facts)} of "
        f"{facts['wanted']} {WAYS[facts['runtime']]} ready"
    )


def _tell_words(words: list[Word]) -> None:
    for word in words:
        said = (
            f"{word.tag} is production in the ledger"
            if word.told
            else f"the ledger was not told of {word.tag}: {word.reason}"
        )
        typer.echo(said, err=True)


def _facts(place: Place, state: Deployment, settings: Settings) -> dict[str, Any]:
    facts = look(
        place, state, runtimes_of(place, os.environ, settings.container_engine)
    )
    return facts | {"ledger": ledger_says(facts["models"], settings)}


def _ready(facts: dict[str, Any]) -> int:
    return sum(one["ready"] for one in facts["replicas"])


def _minute(since: str | None) -> str:
    return since[:16].replace("T", " ") + " UTC" if since else "never"


def _print(found: list[dict[str, Any]]) -> None:
    for facts in found:
        lines = {
            "Bento": facts["bento"] or "none yet",
            "image": facts["digest"] or "none: processes",
            "models": "\n".join(facts["models"].values()),
            "ready": f"{_ready(facts)} of {facts['wanted']}",
            "since": _minute(facts["since"]),
        }
        if facts["unfinished"]:
            lines["unfinished"] = "--resume, or deploy again"
        title = f"{facts['name']} at {facts['address']}"
        table = Table(title=title, title_justify="left", show_header=False, box=SIMPLE)
        for name, value in lines.items():
            table.add_row(name, value)
        table.columns[1].overflow = "fold"
        Console().print(table, markup=False)
    for facts in found:
        for use_case, tag in (facts["ledger"] or {}).items():
            typer.echo(
                f"{facts['name']}: {use_case} is answered by "
                f"{facts['models'][use_case]}; in the ledger {tag} is production"
            )
