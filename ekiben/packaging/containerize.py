"""From a Bento to an image: a context that is complete, built without a network."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ekiben.packaging.bentos import LOCKS, Bento
from ekiben.packaging.containers import Engine
from ekiben.packaging.refusals import check_value
from ekiben.packaging.wheels import fetch_wheels, fits_this_host
from ekiben.registry.store import Store
from ekiben.registry.tags import split_tag

LABELS = "org.opencontainers.image."
WHEELS = Path("env") / "python" / "wheels"
EPOCH = 0
"""Written in place of the time of the build: the same content makes the same layers."""


@dataclass(frozen=True)
class Image:
    """What was built, of which Bento, in how many seconds."""

    name: str
    digest: str
    bento: str
    models: tuple[str, ...]
    seconds: float
    offline: bool
    """Whether the build itself could reach no network."""


def containerize(
    bento: Bento,
    store: Store,
    engine: Engine,
    *,
    image: str | None = None,
    base_image: str | None = None,
    wheels: Path | None = None,
    cache: Path,
    fresh: bool = False,
) -> Image:
    """Build *image* (by default the Bento's own tag) of *bento*.

    The wheels are fetched into *cache* first, or taken from the folder *wheels*, and the
    build runs without a network. Where this host's Python is not the image's, or the
    image has Debian packages to install, the build uses the network. *fresh* takes no
    step over from an earlier build.

    Raises:
        UnknownModel, ArtefactRefused: a version in it is gone or altered.
        BuildRefused: a name holds what could become a command, or a wheel is missing.
        ContainerFailed: the engine refused.
    """
    name = image or bento.tag
    check_value("the image's name", name)
    check_value("the base image", base_image or "")
    if wheels is None and fits_this_host(bento.python):
        wheels = fetch_wheels([bento.path / lock for lock in LOCKS], cache)
    offline = wheels is not None and not bento.system_packages
    began = time.monotonic()
    with build_context(bento, store, wheels) as context:
        digest = engine.build(
            context,
            name,
            file=context / bento.dockerfile.relative_to(bento.path),
            arguments={"BASE_IMAGE": base_image} if base_image else {},
            labels=_labels(bento),
            network="none" if offline else None,
            timestamp=EPOCH,
            fresh=fresh,
        )
    seconds = time.monotonic() - began
    return Image(name, digest, bento.tag, bento.models, seconds, offline)


@contextmanager
def build_context(bento: Bento, store: Store, wheels: Path | None) -> Iterator[Path]:
    """Lay out what `bentoml containerize` does too, and the *wheels*, until the block ends.

    Versions are verified as they lie in the context, where nobody else changes them.
    """
    with tempfile.TemporaryDirectory(prefix="ekiben-image-") as directory:
        context = Path(directory)
        shutil.copytree(bento.path, context, dirs_exist_ok=True, symlinks=True)
        copied = Store(context / "models", context)
        for tag in bento.models:
            path = Path(*split_tag(tag))
            store.manifest(tag)
            shutil.copytree(store.models / path, copied.models / path, symlinks=True)
            copied.verify(tag)
        if wheels is not None:
            shutil.copytree(wheels, context / WHEELS, dirs_exist_ok=True)
        yield context


def _labels(bento: Bento) -> dict[str, str]:
    return {
        LABELS + "version": bento.tag.partition(":")[2],
        LABELS + "created": bento.created,
        "ekiben.bento": bento.tag,
        "ekiben.models": ",".join(bento.models),
    }
