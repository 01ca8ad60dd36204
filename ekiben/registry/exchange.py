"""A version pushed to, or pulled from, a store elsewhere."""

from collections.abc import Callable

from ekiben.errors import ArtefactDiffers, RemoteStoreFailed
from ekiben.registry.files import Mismatch
from ekiben.registry.manifest import Manifest
from ekiben.registry.remote import RemoteStore
from ekiben.registry.store import Store

Told = Callable[[str, int], None]
"""Is given the name of a file that was moved, and its bytes."""


def push(store: Store, tag: str, remote: RemoteStore, told: Told | None = None) -> bool:
    """Copy the version *tag* to *remote*, its files checked; False if all of it was there.

    Only what is missing there, or is of another size, is sent.

    Raises:
        ArtefactDiffers: another artefact has that tag there.
        UnknownModel, ArtefactRefused: there is no sound version of that tag here.
        RemoteStoreFailed: the store elsewhere failed; the version is not visible there.
    """
    manifest, files = store.read(tag)
    damaged = False
    try:
        there = remote.manifest(tag)
    except Mismatch:
        there, damaged = None, True
    _check_same(manifest, there, remote)
    sent = 0
    for name, expected in manifest.files.items():
        if not remote.holds(expected):
            remote.write(expected, files[name])
            sent += 1
            if told:
                told(name, expected.bytes)
    if there is not None:
        return sent > 0
    remote.publish(manifest, replace=damaged)
    # Another may have published first, or, where a store knows no exclusive write, since.
    _check_same(manifest, _sound(remote, tag), remote)
    return True


def pull(
    store: Store,
    tag: str,
    remote: RemoteStore,
    *,
    digest: str | None = None,
    told: Told | None = None,
) -> tuple[Manifest, bool]:
    """Copy the version *tag* from *remote*; False if it was here already.

    *digest*, where something else than *remote* vouches for it, is the artefact's.
    The version is visible once every file has the digest that the manifest says.

    Raises:
        ArtefactDiffers: it is another than *digest*, or than the one of that tag here.
        ArtefactRefused: a file is not what was registered.
        RemoteStoreFailed: it is not there, or the store does not answer.
        UnknownModel, StoreUnavailable: nothing is visible here either.
    """
    manifest = _sound(remote, tag)
    if digest is not None and manifest.digest != digest:
        raise ArtefactDiffers(tag, remote.url, manifest.digest, digest)

    def fetch(name: str) -> bytes:
        content = remote.read(name, manifest.files[name])
        if told:
            told(name, len(content))
        return content

    return manifest, store.adopt(manifest, fetch)


def _sound(remote: RemoteStore, tag: str) -> Manifest:
    try:
        found = remote.manifest(tag)
    except Mismatch as error:
        raise RemoteStoreFailed(f"{remote.url}: {tag} is damaged: {error}") from None
    if found is None:
        raise RemoteStoreFailed(f"{remote.url} has no {tag}")
    return found


def _check_same(
    manifest: Manifest, there: Manifest | None, remote: RemoteStore
) -> None:
    if there is not None and there.digest != manifest.digest:
        raise ArtefactDiffers(
            manifest.card.tag, remote.url, there.digest, manifest.digest
        )
