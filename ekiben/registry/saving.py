"""Writes a version's files into a staging store, as BentoML lays them out, sealed and synced."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ekiben.registry.files import check_path, digest_tree, sync_tree
from ekiben.registry.manifest import MANIFEST, Manifest, read_version, render, seal
from ekiben.registry.tags import split_tag
from ekiben.schemas.model_card import Golden, ModelCard

CONTAINER = threading.Lock()
"""Held while BentoML's container points at a staging store, and while it is asked."""


def new_tag(use_case: str, version: str | None) -> str:
    """Return the tag of *version*, None: of one that BentoML makes up.

    Raises:
        UnknownModel: that is no version's name.
    """
    if version is None:
        from bentoml import Tag

        return str(Tag(use_case, None).make_new_version())
    split_tag(f"{use_case}:{version}")
    return f"{use_case}:{version}"


def prepare(
    scratch: Path,
    card: ModelCard,
    estimator: Any,
    golden: Sequence[Golden],
    extras: Mapping[str, bytes],
) -> Manifest:
    """Lay out the version below *scratch* as BentoML would, sealed and on the disk."""
    _save(scratch, card, estimator)
    directory = scratch.joinpath(*split_tag(card.tag))
    for name, content in extras.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:  # never in the place of one of BentoML's
            file.write(content)
    manifest = seal(card, digest_tree(directory), golden)
    (directory / MANIFEST).write_bytes(render(manifest))
    sync_tree(directory)
    return manifest


def lay_out(directory: Path, manifest: Manifest, fetch: Callable[[str], bytes]) -> None:
    """Write the files of *manifest* into *directory*, then read all of them back."""
    directory.mkdir(parents=True)
    for name in manifest.files:
        path = directory / check_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(fetch(name))
    (directory / MANIFEST).write_bytes(render(manifest))
    read_version(directory)
    sync_tree(directory)


def _save(models: Path, card: ModelCard, estimator: Any) -> None:
    import bentoml
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.models import ModelStore

    # BentoML posts a usage event within every save, and waits for the answer.
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")
    with CONTAINER:
        provider = BentoMLContainer.model_store
        state = provider.__getstate__()
        provider.set(ModelStore(models))
        try:
            bentoml.sklearn.save_model(
                card.tag,
                estimator,
                signatures={"predict_proba": {"batchable": True}},
                labels={"use_case": card.use_case, "data": card.data.kind},
                metadata=_metadata(card),
            )
        finally:
            provider.__setstate__(state)


def _metadata(card: ModelCard) -> dict[str, Any]:
    """Return what `bentoml models get` shows of a version."""
    overall = card.evaluation.overall
    return {
        "trained_at": card.trained_at.isoformat(),
        "data": {"source": card.data.source, "sha256": card.data.sha256},
        "metrics": {name: figure.value for name, figure in overall.items()},
        "decision": dict(card.decision),
        "libraries": dict(card.libraries),
        "schema_sha256": card.schema_sha256,
    }
