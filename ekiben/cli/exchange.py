"""`ekiben models push` and `pull`: a version to and from a store elsewhere."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TextColumn

from ekiben.cli.setting import AsJson
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.manifest import Manifest
from ekiben.registry.remote import RemoteStore, Told, pull, push
from ekiben.registry.store import Store
from ekiben.registry.tags import split_tag
from ekiben.releases import resolve
from ekiben.settings import Settings

Url = Annotated[
    str,
    typer.Argument(help="s3://BUCKET/FOLDER, file:///FOLDER, or what fsspec reaches."),
]
Prefix = Annotated[str, typer.Argument(help="name:version; a prefix of it will do.")]
Exact = Annotated[str, typer.Argument(help="name:version, exact.")]
Digest = Annotated[
    str | None,
    typer.Option(
        help="The artefact digest that it must have. None: the one in the ledger, "
        "if the version was ever production."
    ),
]


def push_command(tag: Prefix, url: Url, as_json: AsJson = False) -> None:
    """Copy a version to a store elsewhere, such as s3://BUCKET/FOLDER."""
    store = Store.at(Settings.from_env().home)
    name, _, version = tag.partition(":")
    full = resolve(name, version, store.entries(name))
    remote = RemoteStore.at(url)
    with _progress() as told:
        sent = push(store, full, remote, told)
    _tell(store.manifest(full), remote, "pushed" if sent else "there", as_json=as_json)


def pull_command(
    tag: Exact, url: Url, digest: Digest = None, as_json: AsJson = False
) -> None:
    """Copy a version from a store elsewhere; it is visible once every file is checked."""
    settings = Settings.from_env()
    split_tag(tag)
    remote = RemoteStore.at(url)
    expected = digest or _in_ledger(tag, settings)
    with _progress() as told:
        manifest, new = pull(
            Store.at(settings.home), tag, remote, digest=expected, told=told
        )
    _tell(manifest, remote, "pulled" if new else "here", as_json=as_json)


def _in_ledger(tag: str, settings: Settings) -> str | None:
    """Return the digest with which *tag* was last production."""
    with LedgerDatabase.opened(settings.ledger_url) as database:
        ledger = database.verified()
    moves = [one for one in ledger.history(tag.partition(":")[0]) if one.to_tag == tag]
    return moves[-1].digest if moves else None


@contextmanager
def _progress() -> Iterator[Told]:
    columns = (TextColumn("{task.description}"), DownloadColumn())
    console = Console(stderr=True)
    quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet) as shown:
        task = shown.add_task("", total=None)

        def told(name: str, size: int) -> None:
            shown.update(task, description=name, advance=size)

        yield told


def _tell(
    manifest: Manifest, remote: RemoteStore, state: str, *, as_json: bool
) -> None:
    tag = manifest.card.tag
    if as_json:
        facts = {
            "tag": tag,
            "url": remote.url,
            "state": state,
            "digest": manifest.digest,
            "bytes": manifest.bytes,
        }
        typer.echo(json.dumps(facts, indent=2))
        return
    lines = {
        "pushed": f"{tag} is in {remote.url}",
        "there": f"{tag} was in {remote.url} already",
        "pulled": f"{tag} is here",
        "here": f"{tag} was here already",
    }
    typer.echo(f"{lines[state]}; digest {manifest.digest}")
