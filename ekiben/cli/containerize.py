"""`ekiben containerize`: an image of a Bento, with docker, podman or buildah."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ekiben.cli.setting import AsJson
from ekiben.packaging.bentos import find_bento
from ekiben.packaging.containerize import containerize
from ekiben.packaging.containers import find_engine
from ekiben.registry.store import Store
from ekiben.settings import Settings

SERVER = "ekiben-server"
"""What bentofile.yaml calls the Bento."""

BentoTag = Annotated[
    str | None,
    typer.Argument(help="NAME:VERSION or a version. Left out: the newest one built."),
]
ImageName = Annotated[
    str | None, typer.Option("--tag", "-t", help="NAME:TAG of the image.")
]
EngineName = Annotated[
    str | None, typer.Option("--engine", help="docker, podman or buildah.")
]
BaseImage = Annotated[
    str | None,
    typer.Option(help="Build on this image in place of python:3.11-slim."),
]
Wheels = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        file_okay=False,
        help="A folder with all wheels; nothing is fetched then.",
    ),
]


NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Take nothing over from earlier builds.")
]


def containerize_command(
    bento: BentoTag = None,
    tag: ImageName = None,
    engine: EngineName = None,
    base_image: BaseImage = None,
    wheels: Wheels = None,
    no_cache: NoCache = False,
    as_json: AsJson = False,
) -> None:
    """Build an image of a Bento, by the locked wheels and nothing else."""
    settings = Settings.from_env()
    found = find_bento(settings.home, SERVER, bento)
    chosen = find_engine(engine or settings.container_engine)
    with Console(stderr=True).status(f"building {found.tag} with {chosen.name}"):
        image = containerize(
            found,
            Store.at(settings.home),
            chosen,
            image=tag,
            base_image=base_image,
            wheels=wheels,
            cache=settings.home / "ekiben" / "wheels",
            fresh=no_cache,
        )
    if as_json:
        typer.echo(json.dumps(asdict(image) | {"engine": chosen.name}, indent=2))
        return
    typer.echo(f"{image.name} {image.digest} in {image.seconds:.0f} s ({chosen.name})")
    typer.echo(f"of {image.bento} with {', '.join(image.models)}")
