"""The files of a compiled model, kept in its version beside the pickle; every digest is in the manifest."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Scorer = Callable[[Any], Floats]
"""Encoded rows to probabilities of shape (rows, classes)."""

FOLDER = "compiled/"
DESCRIPTION = FOLDER + "form.json"


class NotCompilable(Exception):
    """An estimator has no form that says all of it; its text says why."""


class Malformed(Exception):
    """The files are not what a form's compiler writes."""


@dataclass(frozen=True)
class Artefact:
    """A compiled model: its form, the classes of its columns, facts and files.

    `facts` are what JSON can say; `files` go by names without a folder.
    """

    form: str
    classes: tuple[Any, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    def render(self) -> dict[str, bytes]:
        """Return all files by their paths in the version."""
        described = {
            "form": self.form,
            "classes": list(self.classes),
            "facts": dict(self.facts),
        }
        named = {FOLDER + name: content for name, content in self.files.items()}
        return {DESCRIPTION: json.dumps(described).encode(), **named}


def read_artefact(files: Mapping[str, bytes]) -> Artefact:
    """Return what `render` made, from a version's *files*.

    Raises:
        Malformed: it is not there, or not what `render` makes.
    """
    try:
        described = json.loads(files[DESCRIPTION])
        named = {
            name.removeprefix(FOLDER): content
            for name, content in files.items()
            if name.startswith(FOLDER) and name != DESCRIPTION
        }
        classes = tuple(described["classes"])
        return Artefact(str(described["form"]), classes, described["facts"], named)
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"{DESCRIPTION} cannot be read: {error!r}") from None


def plain_classes(estimator: Any) -> tuple[Any, ...]:
    """Return the estimator's classes as JSON says them."""
    return tuple(np.asarray(estimator.classes_).tolist())


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return *arrays* as one file."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def unpack(content: bytes) -> dict[str, NDArray[Any]]:
    """Return what `pack` packed; nothing is ever unpickled.

    Raises:
        Malformed: it is no such file, or holds objects.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise Malformed(f"the arrays cannot be read: {error!r}") from None


def in_order(score: Scorer, learned: Sequence[Any], classes: Sequence[Any]) -> Scorer:
    """Return *score*, whose columns are *learned*, with its columns in the order of *classes*.

    scikit-learn sorts its classes; a use case may name them in any order.

    Raises:
        ValueError: they are not the same classes.
    """
    if sorted(learned) != sorted(classes):
        raise ValueError(f"classes {list(learned)}, not {tuple(classes)}")
    order = [learned.index(one) for one in classes]
    if order == list(range(len(order))):
        return score
    return lambda encoded: score(encoded)[:, order]
