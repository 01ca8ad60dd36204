"""`ekiben models push` and `pull`: a version to and from a store elsewhere."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TextColumn

from ekiben.cli.setting import AsJson
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.exchange import Told, pull, push
from ekiben.registry.ledger import Ledger
from ekiben.registry.manifest import Manifest
from ekiben.registry.remote import RemoteStore
from ekiben.registry.store import Store
from ekiben.registry.tags import split_tag
from ekiben.releases import resolve
from ekiben.settings import Settings

PRODUCTION = "production"
Url = Annotated[
    str,
    typer.Argument(help="s3://BUCKET/FOLDER, file:///FOLDER, or what fsspec reaches."),
]
Prefix = Annotated[
    str,
    typer.Argument(
        help="name:version; a prefix of it will do. `production`: what is production of "
        "every use case, and what was before it."
    ),
]
Exact = Annotated[
    str,
    typer.Argument(
        help="name:version, exact. `production`: what is production of every use case, "
        "and what was before it."
    ),
]
Digest = Annotated[
    str | None,
    typer.Option(
        help="The artefact digest that it must have. None: the one in the ledger, "
        "if the version was ever production."
    ),
]


def push_command(tag: Prefix, url: Url, as_json: AsJson = False) -> None:
    """Copy a version to a store elsewhere, such as s3://BUCKET/FOLDER."""
    settings = Settings.from_env()
    store = Store.at(settings.home)
    if tag == PRODUCTION:
        tags = answering(_ledger(settings))
    else:
        name, _, version = tag.partition(":")
        tags = [resolve(name, version, store.entries(name))]
    remote = RemoteStore.at(url)
    with _progress() as told:
        found = [(one, push(store, one, remote, told)) for one in tags]
    moved = [
        _Moved(store.manifest(one), "pushed" if sent else "there")
        for one, sent in found
    ]
    _tell(moved, remote, as_json=as_json)


def pull_command(
    tag: Exact, url: Url, digest: Digest = None, as_json: AsJson = False
) -> None:
    """Copy a version from a store elsewhere; it is visible once every file is checked."""
    settings = Settings.from_env()
    if tag == PRODUCTION and digest:
        raise typer.BadParameter("--digest is of one version")
    if tag != PRODUCTION:
        split_tag(tag)
    ledger = None if digest else _ledger(settings)
    tags = answering(ledger) if ledger and tag == PRODUCTION else [tag]
    remote, store = RemoteStore.at(url), Store.at(settings.home)
    moved = []
    with _progress() as told:
        for one in tags:
            expected = promised(ledger, one) if ledger else digest
            manifest, new = pull(store, one, remote, digest=expected, told=told)
            moved.append(_Moved(manifest, "pulled" if new else "here"))
    _tell(moved, remote, as_json=as_json)


def answering(ledger: Ledger) -> list[str]:
    """Return the tags that are production, and those before them: what a Bento holds."""
    found = [ledger.production(name) for name in ledger.use_cases()]
    return [
        tag
        for one in found
        if one
        for tag in (one.tag, one.previous)
        if tag is not None
    ]


def promised(ledger: Ledger, tag: str) -> str | None:
    """Return the digest with which *tag* was last production; None if it never was."""
    moves = [one for one in ledger.history(tag.partition(":")[0]) if one.to_tag == tag]
    return moves[-1].digest if moves else None


def _ledger(settings: Settings) -> Ledger:
    with LedgerDatabase.opened(settings.ledger_url) as database:
        return database.verified()


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


@dataclass(frozen=True)
class _Moved:
    manifest: Manifest
    state: str


STATES = {
    "pushed": "is in {url}",
    "there": "was in {url} already",
    "pulled": "is here",
    "here": "was here already",
}


def _tell(moved: list[_Moved], remote: RemoteStore, *, as_json: bool) -> None:
    if not as_json:
        for one in moved:
            state = STATES[one.state].format(url=remote.url)
            typer.echo(f"{one.manifest.card.tag} {state}; digest {one.manifest.digest}")
        return
    facts = [
        {
            "tag": one.manifest.card.tag,
            "url": remote.url,
            "state": one.state,
            "digest": one.manifest.digest,
            "bytes": one.manifest.bytes,
        }
        for one in moved
    ]
    typer.echo(json.dumps(facts, indent=2))
